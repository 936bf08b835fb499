import { createClient } from '../../../shared/client/fathom-client.ts';
import { messageOf } from '../../../shared/errors.ts';
import { becomeOwner, findWriter } from '../../base/process-account.ts';
import { checkEnvFiles, runChecks } from '../../host/doctor/checks.ts';
import { checkEndToEnd } from '../../host/doctor/end-to-end.ts';
import {
  envFileFacts,
  gatherFacts,
  type HostSettings,
  readHostSettings,
} from '../../host/doctor/facts/gather.ts';
import { type Finding, fatal, type Level, START_DAEMON } from '../../host/doctor/finding.ts';
import { applyFixes, describeFix, type Fixed } from '../../host/doctor/fix.ts';
import { KNOWN_ADVISORIES } from '../../pocketbase/advisories/known-advisories.ts';
import { readAdvisoryList } from '../../pocketbase/advisories/read-advisory-list.ts';
import { verifyBinary } from '../../pocketbase/binary/binary.ts';
import { type CliContext, type Colour, painter, printJson, printLine } from '../context.ts';
import { printable } from '../output/print.ts';
import { withOwnCommand } from '../own-command.ts';

export interface DoctorArguments {
  json: boolean;
  fix: boolean;
  /** Exit with 1 for warnings as well. */
  check: boolean;
  envFile?: string | undefined;
  dataDir?: string | undefined;
  /** File or https address of a newer list of advisories. */
  advisories?: string | undefined;
  /** Uses the running deployment as a user does. */
  endToEnd: boolean;
}

const MARKS: Readonly<Record<Level, { word: string; colour: Colour }>> = {
  ok: { word: 'ok     ', colour: 'green' },
  warning: { word: 'warning', colour: 'yellow' },
  fatal: { word: 'fatal  ', colour: 'red' },
};

/** Exit 1 when a finding is fatal, with `check` also when one is a warning. */
export async function doctor(
  { json, fix, check, envFile, dataDir, advisories, endToEnd }: DoctorArguments,
  context: CliContext,
): Promise<number> {
  const { env, cwd, stdout, stderr } = context;
  const settings = readHostSettings({ commandLine: { envFile, dataDir }, env, cwd });
  const printFixed = (fixed: readonly Fixed[]): void => {
    for (const { fix: applied, problem } of fixed) {
      const outcome = problem === null ? '' : ` failed: ${problem}`;
      printLine(stderr, printable(`fathomd: ${describeFix(applied)}${outcome}`));
    }
  };
  const list = advisories === undefined ? KNOWN_ADVISORIES : await readAdvisoryList(advisories, cwd);
  // Only root can fix the mode of a file of root.
  if (fix && process.getuid?.() === 0) {
    const envFiles = envFileFacts(settings.sources).filter(({ path }) => findWriter(path) === null);
    printFixed(await applyFixes(checkEnvFiles({ envFiles })));
  }
  becomeOwner(settings.sources.dataDir);
  const look = async (): Promise<Finding[]> => {
    const facts = await gatherFacts(settings, verifyBinary, list);
    return runChecks(facts).map((finding) => ({
      ...finding,
      remedy: finding.remedy === null ? null : withOwnCommand(finding.remedy, context),
    }));
  };
  let findings = await look();
  if (fix) {
    const fixed = await applyFixes(findings);
    printFixed(fixed);
    // The fixes have changed the findings.
    if (fixed.length > 0) findings = await look();
  }
  if (endToEnd) findings = [...findings, await tryEndToEnd(settings)];
  if (json) printJson(context, findings);
  else printFindings(findings, painter(stdout, env), (line) => printLine(stdout, line));
  const failing: readonly Level[] = check ? ['fatal', 'warning'] : ['fatal'];
  return findings.some(({ level }) => failing.includes(level)) ? 1 : 0;
}

async function tryEndToEnd({ sources, config }: HostSettings): Promise<Finding> {
  const admin = createClient({ target: { socketPath: sources.socketPath } });
  try {
    const apiUrl = config?.siteUrl ?? (await admin.daemon.status()).api_url;
    return await checkEndToEnd({ admin, apiUrl, now: () => performance.now() });
  } catch (error) {
    return fatal('end_to_end', `nothing was tried: ${messageOf(error)}`, START_DAEMON);
  }
}

function printFindings(
  findings: readonly Finding[],
  paint: (colour: Colour, text: string) => string,
  print: (line: string) => void,
): void {
  for (const { id, level, summary, remedy } of findings) {
    const { word, colour } = MARKS[level];
    // What is found is named as in the table of docs/doctor.md.
    const name = level === 'ok' ? '' : paint('dim', ` (${id})`);
    print(`${paint(colour, word)}  ${printable(summary)}${name}`);
    if (remedy !== null) print(`         → ${printable(remedy)}`);
  }
  const count = (wanted: Level): number => findings.filter(({ level }) => level === wanted).length;
  print(`${count('ok')} ok, ${count('warning')} to look at, ${count('fatal')} fatal`);
}
