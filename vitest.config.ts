import { defineConfig } from 'vitest/config';
import { SummaryReporter } from './test/helpers/summary-reporter.ts';

export default defineConfig({
  test: {
    reporters: ['default', new SummaryReporter()],
    projects: [
      {
        extends: true,
        test: {
          name: 'unit',
          include: ['{daemon,tui,shared}/**/*.test.{ts,tsx}', 'test/unit/**/*.test.{ts,tsx}'],
        },
      },
      {
        extends: true,
        test: {
          name: 'integration',
          include: ['test/{integration,console,security}/**/*.test.{ts,tsx}'],
          fileParallelism: false, // real processes and ports: one file at a time
          testTimeout: 60_000,
          hookTimeout: 60_000,
        },
      },
    ],
  },
});
