import type { Reporter, SerializedError, TestModule } from 'vitest/node';

interface Counts {
  passed: number;
  failed: number;
  skipped: number;
}

/**
 * Ends the output of a run with one plain line, `N passed, N failed[, N skipped]`, for scripts to read.
 * A file that could not be loaded and an error outside any test count as failures: the line never
 * says `0 failed` when the exit code says otherwise.
 */
export class SummaryReporter implements Reporter {
  onTestRunEnd(modules: readonly TestModule[], unhandled: readonly SerializedError[]): void {
    const line = summaryLine(countTests(modules, unhandled.length));
    // On exit, after the last output of Vitest. Writes to files, pipes and terminals are synchronous.
    process.once('exit', () => process.stdout.write(`${line}\n`));
  }
}

function countTests(modules: readonly TestModule[], unhandled: number): Counts {
  const counts: Counts = { passed: 0, failed: unhandled, skipped: 0 };
  for (const module of modules) {
    let failedHere = 0;
    for (const test of module.children.allTests()) {
      const { state } = test.result();
      if (state === 'passed') counts.passed += 1;
      else if (state === 'failed') failedHere += 1;
      else counts.skipped += 1;
    }
    counts.failed += module.state() === 'failed' ? Math.max(1, failedHere) : failedHere;
  }
  return counts;
}

function summaryLine({ passed, failed, skipped }: Counts): string {
  const line = `${passed} passed, ${failed} failed`;
  return skipped === 0 ? line : `${line}, ${skipped} skipped`;
}
