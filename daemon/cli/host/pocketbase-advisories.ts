import type { AdvisoryReport } from '../../../shared/api/pocketbase.ts';
import { describeExposure } from '../../../shared/exposure.ts';
import { fixText, recommended } from '../../pocketbase/advisories/assess-releases.ts';
import { type ConnectArguments, connect } from '../connect.ts';
import { type CliContext, printJson, printLine } from '../context.ts';
import { printable } from '../output/print.ts';
import { withOwnCommand } from '../own-command.ts';

/** Names of instances that are printed for each version; `--json` has all. */
const MAX_NAMES = 5;

/** With `check`, exit 1 when an instance is vulnerable. */
export async function listAdvisories(
  args: ConnectArguments & { json: boolean; check: boolean },
  context: CliContext,
): Promise<number> {
  const report = await connect(args, context).pocketbase.advisories();
  if (args.json) printJson(context, report);
  else
    for (const line of advisoryLines(report))
      printLine(context.stdout, printable(withOwnCommand(line, context)));
  return args.check && report.exposure.vulnerable_instances > 0 ? 1 : 0;
}

function advisoryLines(report: AdvisoryReport): string[] {
  const { exposure, advisories, hazards } = report;
  const release = recommended(null, report);
  return [
    ...(exposure.versions.length === 0 ? ['No instance has a known vulnerability.'] : []),
    ...exposure.versions.flatMap((affected) => [
      describeExposure(affected),
      `  ${namesOf(report, affected.version)}`,
    ]),
    ...(exposure.remedy === null ? [] : [`→ ${exposure.remedy}`]),
    '',
    `Vulnerabilities of PocketBase, as of ${report.updated}:`,
    ...advisories.flatMap((one) => [
      `  ${[one.id, ...one.aliases].join(', ')} (${one.severity}), ${one.affected.map(rangeText).join(', ')}, ${fixText(one)}`,
      `    ${one.summary}`,
    ]),
    'Before a change of the release:',
    ...hazards.flatMap(({ kind, from, below, avoid, summary }) => [
      `  ${kind === 'change' ? `since ${from}` : rangeText({ from, below })}${avoid ? ', choose another release' : ''}`,
      `    ${summary}`,
    ]),
    ...(release === null ? [] : ['', `Recommended: PocketBase ${release.version}. ${release.reason}`]),
  ];
}

function namesOf({ instances }: AdvisoryReport, version: string): string {
  const names = instances.filter((one) => one.version === version).map(({ name }) => name);
  const more = names.length - MAX_NAMES;
  return `${names.slice(0, MAX_NAMES).join(', ')}${more > 0 ? ` and ${more} more` : ''}`;
}

function rangeText({ from, below }: { from: string; below: string | null }): string {
  return below === null ? `${from} and later` : `${from} to below ${below}`;
}
