import { defineConfig } from 'vitest/config';
import { FILES_AT_A_TIME } from './test/helpers/free-ports.ts';
import { LongestFirst } from './test/helpers/longest-first.ts';
import { SummaryReporter } from './test/helpers/summary-reporter.ts';

/** A project of tests that start real processes. A host that does much else takes several times as long. */
function withProcesses(test: {
  name: string;
  include: string[];
  testTimeout?: number;
  hookTimeout?: number;
}) {
  return {
    extends: true as const,
    test: {
      globalSetup: 'test/helpers/prepared-data.ts',
      testTimeout: 120_000,
      hookTimeout: 120_000,
      ...test,
    },
  };
}

export default defineConfig({
  test: {
    // Files of real processes mostly wait, so more of them than there are processors, each with ports of its own.
    maxWorkers: FILES_AT_A_TIME,
    // A new process would take longer than most files do; none of them replaces modules or changes what the next one finds.
    isolate: false,
    sequence: { sequencer: LongestFirst },
    reporters: ['default', new SummaryReporter()],
    projects: [
      {
        extends: true,
        test: {
          name: 'unit',
          include: ['{daemon,tui,web,shared}/**/*.test.{ts,tsx}', 'test/unit/**/*.test.{ts,tsx}'],
          // Some start processes, or write to a disk that others keep busy.
          testTimeout: 120_000,
        },
      },
      withProcesses({
        name: 'integration',
        include: ['test/{integration,console}/**/*.test.{ts,tsx}'],
      }),
      withProcesses({
        // How daemons and databases start, stop, sleep, are backed up and come back.
        name: 'lifecycle',
        include: ['test/lifecycle/**/*.test.ts'],
      }),
      withProcesses({
        // Attacks on a running fleet, and the bounds that stop them.
        name: 'security',
        include: ['test/security/**/*.test.ts'],
        hookTimeout: 60_000,
      }),
      withProcesses({
        name: 'faults',
        include: ['test/faults/**/*.test.ts'],
        hookTimeout: 60_000,
      }),
      withProcesses({
        // Changes of whole fleets between releases of PocketBase. FATHOM_ROLLOUT_DATABASES=100 is the full size,
        // and FATHOM_RACE_ROUNDS=200 that of the races.
        name: 'rollouts',
        include: ['test/rollouts/**/*.test.ts'],
        testTimeout: 600_000,
        hookTimeout: 600_000,
      }),
      withProcesses({
        // What depends on PocketBase most: `npm run test:upstream` runs it with newer releases.
        name: 'upstream',
        include: [
          'daemon/pocketbase/{process,sandbox,sockets}/*.test.ts',
          'test/integration/{accounts,databases-api,databases-api-browse,migrations,provisioning,user-database-features}.test.ts',
          'test/integration/queue{,-handlers}.test.ts',
          'test/security/{oauth,owner,guard,hook-routes}.test.ts',
          'test/console/journey.test.ts',
        ],
      }),
      withProcesses({
        // Faults of whole servers, each in a network namespace. Needs root.
        // FATHOM_CLUSTER_FAULTS=200 is the full number.
        name: 'cluster',
        include: ['test/cluster/**/*.test.ts'],
        testTimeout: 900_000,
      }),
      withProcesses({
        // The page of owners in a browser.
        name: 'web',
        include: ['test/web/**/*.test.ts'],
      }),
      withProcesses({
        // What takes long or needs programs of others: browsers, linters, packages that are installed for it. They use a
        // processor each, so `npm run test:tools` runs fewer files at a time.
        name: 'tools',
        include: ['test/tools/**/*.test.ts'],
        testTimeout: 300_000,
      }),
    ],
  },
});
