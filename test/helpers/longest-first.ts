import { BaseSequencer, type TestSpecification } from 'vitest/node';

/** Files that take longest, the longest first: one that began last would be waited for alone. */
const LONG = [
  'integration/queue-chaos',
  'integration/crash',
  'security/fuzz',
  'integration/queue-drain',
  'integration/adopt',
  'integration/concurrency',
  'integration/queue',
  'integration/shutdown',
  'security/rotation',
  'integration/bad-input-host',
  'security/limits',
  'integration/restart',
  'integration/provisioning',
  'integration/queue-workers',
  'integration/cli-start',
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
