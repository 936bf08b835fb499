import { BaseSequencer, type TestSpecification } from 'vitest/node';

/** Files that take longest, the longest first: one that began last would be waited for alone. */
const LONG = [
  'lifecycle/sleep',
  'faults/mail-servers',
  'faults/queue-drain',
  'lifecycle/adopt',
  'integration/queue',
  'lifecycle/ports',
  'integration/migrations',
  'faults/queue-workers',
  'faults/hung',
  'integration/bad-input-host',
  'lifecycle/shutdown',
  'integration/accounts',
  'lifecycle/restart',
  'lifecycle/cli-start',
  'faults/concurrency',
  'faults/crash',
  'faults/crash-loop',
  'faults/queue-chaos',
  'security/fuzz',
  'security/rotation',
  'security/limits',
];

/** Without the times of an earlier run, as in a fresh clone, Vitest goes by the size of files, which says little. */
export class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    // oxlint-disable-next-line unicorn/no-array-sort -- the sequencer's own
    const usual = await super.sort(files);
    return usual.toSorted((a, b) => rankOf(a) - rankOf(b));
  }
}

function rankOf({ moduleId }: TestSpecification): number {
  const at = LONG.findIndex((name) => moduleId.endsWith(`test/${name}.test.ts`));
  return at === -1 ? LONG.length : at;
}
