/**
 * `npm run bench [-- name …]`: every number is a ratio against a peer or a floor measured in the same run, or a share of
 * the machine. Ends with 1 if a bar is missed.
 */

import { benchProvisioning } from './accounts/provisioning.ts';
import { benchSessionCheck } from './accounts/session-check.ts';
import { benchSignUps } from './accounts/sign-ups.ts';
import { benchBackups } from './backups/backups.ts';
import { benchHostRestore } from './backups/host-restore.ts';
import { benchWriteStall } from './backups/write-stall.ts';
import { benchEdge } from './cluster/edge.ts';
import { benchNodeLoss } from './cluster/node-loss.ts';
import { benchConsole, benchConsoleSize } from './console/console.ts';
import { benchDatabaseList } from './fleet/database-list.ts';
import { benchFleetStart } from './fleet/fleet-start.ts';
import { benchIdle } from './fleet/idle.ts';
import { benchLargeFleet } from './fleet/large-fleet.ts';
import { benchGateway } from './instances/gateway.ts';
import { benchGoRuntime } from './instances/go-runtime.ts';
import { benchNeighbours } from './instances/neighbours.ts';
import { benchRecovery } from './instances/recovery.ts';
import { benchSandbox } from './instances/sandbox.ts';
import { benchUpgrade } from './instances/upgrade.ts';
import { benchAwake, benchWake } from './instances/wake.ts';
import { benchQueue } from './queue/queue.ts';
import { benchPage } from './web/page.ts';
import { benchStream } from './web/stream.ts';

interface Benchmark {
  /** One line for the help. */
  about: string;
  /** Resolves with whether all bars are met. */
  run: () => Promise<boolean>;
}

const BENCHMARKS: Readonly<Record<string, Benchmark>> = {
  provisioning: { about: 'Create databases, against bare PocketBase', run: benchProvisioning },
  'fleet-start': { about: 'Start all databases, against a bare loop', run: benchFleetStart },
  recovery: { about: 'Restart killed instances, against pm2', run: benchRecovery },
  sandbox: { about: 'Start and memory of an instance in a sandbox, against one without', run: benchSandbox },
  'go-runtime': {
    about: 'Memory and requests of an instance with other GOMAXPROCS and GOMEMLIMIT',
    run: benchGoRuntime,
  },
  neighbours: { about: 'Response times beside a database at its limits', run: benchNeighbours },
  wake: { about: 'Wake sleeping databases, against a bare boot', run: benchWake },
  awake: { about: 'Requests to an awake database, against a bare one', run: benchAwake },
  gateway: { about: 'Work items by the API, against the database itself', run: benchGateway },
  edge: { about: 'Requests by HAProxy in front of a cluster, against requests without it', run: benchEdge },
  'node-loss': { about: 'Loss of a node, planned moves and the cost of replication', run: benchNodeLoss },
  upgrade: { about: 'Time without an answer during an upgrade, against a bare restart', run: benchUpgrade },
  idle: { about: 'Processor and memory of an idle fleet', run: benchIdle },
  'large-fleet': { about: 'Start, processor and memory with 10,000 databases', run: benchLargeFleet },
  'database-list': { about: 'List databases, against a bare server', run: benchDatabaseList },
  queue: { about: 'Tasks per second, against graphile-worker', run: benchQueue },
  'sign-ups': { about: 'Sign-ups per second, against accounts on bare PocketBase', run: benchSignUps },
  'session-check': { about: 'Cost of the session check, and of a failed sign-in', run: benchSessionCheck },
  backups: { about: 'Back up and restore a fleet, against restic', run: benchBackups },
  'host-restore': { about: 'Restore a whole host, against restic', run: benchHostRestore },
  'backup-stall': { about: 'Writes during a backup, against writes without', run: benchWriteStall },
  console: { about: 'Drawing of the console, against bare Ink', run: benchConsole },
  stream: { about: 'Changes of projects to 1,000 clients, against ws alone', run: benchStream },
  page: { about: 'Time until the page of owners can be used, against a blank page', run: benchPage },
  'console-size': { about: 'Key presses with 10,000 instances, against 10', run: benchConsoleSize },
};

const HELP = `Usage: node bench/main.ts [NAME…]

Run the benchmarks with these names, or all of them. Build first: npm run build.

Benchmarks:
${Object.entries(BENCHMARKS)
  .map(([name, { about }]) => `  ${name.padEnd(16)}${about}`)
  .join('\n')}

Options:
  -h, --help      Show this help

Exit status: 0 if all bars are met, 1 if one is missed, 2 for a wrong argument.`;

const asked = process.argv.slice(2);
const unknown = asked.filter((name) => !Object.hasOwn(BENCHMARKS, name));
if (asked.some((argument) => argument === '--help' || argument === '-h')) {
  console.log(HELP);
} else if (unknown.length > 0) {
  console.error(`Unknown: ${unknown.join(', ')}. Run 'node bench/main.ts --help' to list the benchmarks.`);
  process.exitCode = 2;
} else {
  let met = true;
  for (const [name, { run }] of Object.entries(BENCHMARKS)) {
    if (asked.length > 0 && !asked.includes(name)) continue;
    met = (await run()) && met;
  }
  process.exitCode = met ? 0 : 1;
}
