import { afterAll, beforeAll, expect, it } from 'vitest';
import { isAlive, processStat } from '../../daemon/pocketbase/process/procfs.ts';
import type { Daemon, Deployment } from '../helpers/deployment.ts';
import { fathomd } from '../helpers/fathomd.ts';
import { instance, kill, signUpMany } from '../helpers/fleet-actions.ts';
import { startedDeployment } from '../helpers/harness.ts';
import { fleetProcesses } from '../helpers/leaks.ts';
import { logLines } from '../helpers/log-lines.ts';
import { StreamReader } from '../helpers/stream-reader.ts';
import { until } from '../helpers/until.ts';

let fathom: Deployment;
/** The one that runs when a test begins. */
let daemon: Daemon;

beforeAll(async () => {
  ({ fathom, daemon } = await startedDeployment());
});

afterAll(() => fathom.dispose());

async function stopCommand(): Promise<unknown> {
  const { stdout } = await fathomd(['stop', '--json'], { env: fathom.env, cwd: fathom.dataDir });
  return JSON.parse(stdout);
}

function allRun(): Promise<boolean> {
  return until(async () => (await fathom.client.databases.all()).every(({ phase }) => phase === 'running'), {
    what: 'all to run',
  });
}

it('SIGTERM ends everything in order, instances that are stopped or busy included', async () => {
  const [paused, ...others] = await signUpMany(fathom, 4);
  if (!paused) throw new Error('a tenant');
  const { pid } = await instance(fathom, paused.name);
  kill(pid, 'SIGSTOP');
  const stream = new StreamReader(fathom);
  await stream.subscribe(1, 'instances', 'health', `logs:${others[0]?.name}`);

  daemon.signal('SIGTERM');
  expect(await daemon.exited).toBe(0);
  expect(await fleetProcesses(fathom.dataDir)).toEqual([]);
  expect(await stream.closed).toMatchObject({ code: 1001 });
  await expect(fathom.client.daemon.status()).rejects.toMatchObject({ code: 'daemon.unreachable' });

  // It does not count as a failure afterwards.
  daemon = await fathom.start();
  await allRun();
  expect(await instance(fathom, paused.name)).toMatchObject({ restarts: 0, attempt: 0, last_exit: null });
});

it('a second signal while it ends changes nothing; after a third the next daemon picks up what is left', async () => {
  daemon.signal('SIGINT');
  daemon.signal('SIGTERM');
  expect(await daemon.exited).toBe(0);
  expect(await fleetProcesses(fathom.dataDir)).toEqual([]);

  const impatient = await fathom.start();
  for (const signal of ['SIGTERM', 'SIGINT', 'SIGTERM'] as const) impatient.signal(signal);
  await impatient.exited;
  daemon = await fathom.start();
  expect(await stopCommand()).toEqual({ stopped: daemon.pid });
  expect(await fleetProcesses(fathom.dataDir)).toEqual([]);
  expect(await daemon.exited).toBe(0);
  expect(await stopCommand()).toEqual({ stopped: null });
});

it('SIGTERM in the middle of a start leaves nothing behind either', async () => {
  const first = await fathom.start();
  await signUpMany(fathom, 2);
  await allRun();
  first.signal('SIGKILL');
  await first.exited;
  const left = await fleetProcesses(fathom.dataDir);
  expect(left).toHaveLength(7);
  const stats = left.map(({ pid }) => ({ pid, stat: processStat(pid) }));

  // The take-over is under way by then, of some of them at least.
  daemon = fathom.launch();
  await until(() => logLines(daemon.output()).some((line) => line['api'] !== undefined), {
    what: 'the fleet to be started',
  });
  daemon.signal('SIGTERM');
  expect(await daemon.exited).toBe(0);
  for (const { pid, stat } of stats) expect(isAlive(pid, stat?.startTime ?? 0)).toBe(false);
  expect(await fleetProcesses(fathom.dataDir)).toEqual([]);
});
