/**
 * `npm run bench [-- name …]`: every number is a ratio against a peer or a floor measured in the same run, or a share of
 * the machine. Ends with 1 if a bar is missed.
 */
import { benchConsole } from './console.ts';
import { benchFleetStart } from './fleet-start.ts';
import { benchIdle } from './idle.ts';
import { benchProvisioning } from './provisioning.ts';
import { benchQueue } from './queue.ts';
import { benchRecovery } from './recovery.ts';
import { benchSessionCheck } from './session-check.ts';

const BENCHMARKS: Readonly<Record<string, () => Promise<boolean>>> = {
  provisioning: benchProvisioning,
  'fleet-start': benchFleetStart,
  recovery: benchRecovery,
  idle: benchIdle,
  queue: benchQueue,
  'session-check': benchSessionCheck,
  console: benchConsole,
};

const asked = process.argv.slice(2);
const unknown = asked.filter((name) => !(name in BENCHMARKS));
if (unknown.length > 0) {
  console.error(
    `no benchmark is called ${unknown.join(', ')}; there are ${Object.keys(BENCHMARKS).join(', ')}`,
  );
  process.exit(2);
}

let met = true;
for (const [name, run] of Object.entries(BENCHMARKS)) {
  if (asked.length > 0 && !asked.includes(name)) continue;
  met = (await run()) && met;
}
process.exitCode = met ? 0 : 1;
