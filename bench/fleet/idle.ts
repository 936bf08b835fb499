import { processStat } from '../../daemon/pocketbase/process/procfs.ts';
import { createDeployment } from '../../test/helpers/deployment.ts';
import { until } from '../../test/helpers/until.ts';
import { FleetUsers } from '../fleet-user.ts';
import { report, residentBytes } from '../measure.ts';

const DATABASES = 200;
const WINDOW_MS = 60_000;
/** Longer than the interval of probes: the first one of each instance signs a token, which is not idling. */
const SETTLE_MS = 40_000;
const BYTES_PER_KB = 1000;

/** What watching over idle instances costs the daemon. */
export async function benchIdle(): Promise<boolean> {
  const fathom = await createDeployment({}, { ports: DATABASES * 2 });
  try {
    const empty = await fathom.start();
    await pause(SETTLE_MS);
    const emptyBytes = await residentBytes(empty.pid);
    await new FleetUsers(fathom).provisionMany(DATABASES);
    await empty.stop();

    // A daemon that only supervises, not one that just provisioned.
    const daemon = await fathom.start();
    await until(async () => (await fathom.client.daemon.status()).instances.running === DATABASES + 1, {
      timeoutMs: 60_000,
      what: 'all databases to run',
    });
    await pause(SETTLE_MS);
    const before = processStat(daemon.pid);
    await pause(WINDOW_MS);
    const after = processStat(daemon.pid);
    if (!before || !after) throw new Error('the daemon is gone');
    const cpuPercent = ((after.cpuSeconds - before.cpuSeconds) / (WINDOW_MS / 1000)) * 100;
    const perInstanceKb = ((await residentBytes(daemon.pid)) - emptyBytes) / DATABASES / BYTES_PER_KB;

    const cpu = report({
      name: 'idle CPU',
      compares: `the daemon's CPU over ${WINDOW_MS / 1000} s with ${DATABASES} idle instances, of one core`,
      value: cpuPercent,
      bar: 1,
      unit: ' %',
      details: `${(after.cpuSeconds - before.cpuSeconds).toFixed(2)} s of CPU time`,
    });
    const memory = report({
      name: 'idle memory',
      compares: 'resident memory of the daemon per supervised instance, over the empty daemon',
      value: perInstanceKb,
      bar: 100,
      unit: ' KB',
      details: `empty daemon ${(emptyBytes / 1e6).toFixed(1)} MB, with ${DATABASES} instances ${((perInstanceKb * DATABASES * BYTES_PER_KB + emptyBytes) / 1e6).toFixed(1)} MB`,
    });
    return cpu && memory;
  } finally {
    await fathom.dispose();
  }
}

/** The benchmark measures a span of time, so here a pause is the measurement. */
function pause(durationMs: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, durationMs));
}
