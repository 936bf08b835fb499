import { judge } from '../doctor/checks.ts';
import type { Finding, Level } from '../doctor/finding.ts';
import { gatherFacts } from '../doctor/gather.ts';
import { verifyBinary } from '../pocketbase/binary.ts';
import { type CliContext, type Colour, painter, printJson, printLine } from './context.ts';
import { printable } from './printable.ts';

export interface DoctorArguments {
  json: boolean;
  envFile?: string | undefined;
  dataDir?: string | undefined;
}

const MARKS: Readonly<Record<Level, { word: string; colour: Colour }>> = {
  ok: { word: 'ok     ', colour: 'green' },
  warning: { word: 'warning', colour: 'yellow' },
  fatal: { word: 'fatal  ', colour: 'red' },
};

/** Exit 1 when a finding is fatal. */
export async function doctor(
  { json, envFile, dataDir }: DoctorArguments,
  context: CliContext,
): Promise<number> {
  const { env, cwd, stdout } = context;
  const findings = judge(await gatherFacts({ commandLine: { envFile, dataDir }, env, cwd }, verifyBinary));
  if (json) printJson(context, findings);
  else printFindings(findings, painter(stdout, env), (line) => printLine(stdout, line));
  return findings.some(({ level }) => level === 'fatal') ? 1 : 0;
}

function printFindings(
  findings: readonly Finding[],
  paint: (colour: Colour, text: string) => string,
  print: (line: string) => void,
): void {
  for (const { level, summary, remedy } of findings) {
    const { word, colour } = MARKS[level];
    print(`${paint(colour, word)}  ${printable(summary)}`);
    if (remedy !== null) print(`         → ${printable(remedy)}`);
  }
  const count = (wanted: Level): number => findings.filter(({ level }) => level === wanted).length;
  print(`${count('ok')} ok, ${count('warning')} to look at, ${count('fatal')} fatal`);
}
