import { copyFile, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { execa } from 'execa';
import { expect, it, onTestFinished } from 'vitest';
import { verifyBinary } from '../../daemon/pocketbase/binary/binary.ts';
import type { Deployment } from '../helpers/deployment.ts';
import {
  instance,
  kill,
  signIn,
  signUp,
  untilInstance,
  untilReplaced,
  writeAndRead,
} from '../helpers/fleet-actions.ts';
import { deployment, sharedDeployment } from '../helpers/harness.ts';
import { fleetIdOf, keeperOf } from '../helpers/leaks.ts';
import { textWith } from '../helpers/text-with.ts';
import { until } from '../helpers/until.ts';

// Relative to the data directory.
const shared = sharedDeployment({ PB_HEALTH_INTERVAL: '1', LOG_DIR: 'logs' });

async function daemonPid(fathom: Deployment): Promise<number> {
  return (await fathom.client.daemon.status()).pid;
}

/** Of a process that runs: at most so many open files; returns what undoes it. */
async function limitFiles(pid: number, files: number): Promise<() => Promise<void>> {
  const { stdout } = await execa('prlimit', [
    '--pid',
    String(pid),
    '--nofile',
    '--output=SOFT,HARD',
    '--noheadings',
  ]);
  const [soft, hard] = stdout.trim().split(/\s+/);
  await execa('prlimit', ['--pid', String(pid), `--nofile=${files}:${hard}`]);
  return async () => {
    await execa('prlimit', ['--pid', String(pid), `--nofile=${soft}:${hard}`]);
  };
}

it('an instance that is stopped is said to be, and replaced', async () => {
  const { fathom } = shared;
  const tenant = await signUp(fathom);
  const before = await instance(fathom, tenant.name);
  kill(before.pid, 'SIGSTOP');
  const suspected = await untilInstance(
    fathom,
    tenant.name,
    ({ phase }) => phase === 'unresponsive',
    'to be found out',
  );
  expect(suspected.reason).toMatchObject({
    code: 'unresponsive',
    message: textWith('/3', '2 s', 'SIGSTOP', `'kill -CONT ${before.pid}'`),
  });
  await untilReplaced(fathom, before);
});

it('a keeper that is stopped is replaced: starts go on, and exits that it did not tell are noticed', async () => {
  const { fathom } = shared;
  const [tenant, other] = [await signUp(fathom), await signUp(fathom)];
  const [before, otherBefore] = [await instance(fathom, tenant.name), await instance(fathom, other.name)];
  const keeper = await keeperOf(fleetIdOf(fathom.dataDir));
  kill(keeper, 'SIGSTOP');
  kill(before.pid, 'SIGKILL');
  // No process can start it or notice its end.
  expect(await fathom.client.databases.restart(other.name)).toMatchObject({ phase: 'running' });
  await untilReplaced(fathom, before);
  expect(await keeperOf(fleetIdOf(fathom.dataDir))).not.toBe(keeper);
  expect(await instance(fathom, other.name)).not.toMatchObject({ pid: otherBefore.pid });
  await writeAndRead(fathom, tenant, 'after');
  await signUp(fathom);
});

it('a keeper that is stopped while nothing is to be started is found out too', async () => {
  const { fathom } = shared;
  const keeper = await keeperOf(fleetIdOf(fathom.dataDir));
  kill(keeper, 'SIGSTOP');
  await until(
    () =>
      keeperOf(fleetIdOf(fathom.dataDir)).then(
        (pid) => pid !== keeper,
        () => true,
      ),
    { what: 'it to be ended' },
  );
  await signUp(fathom);
});

it('an instance without file descriptors is replaced by one that has some, and the cause is named', async () => {
  const { fathom } = shared;
  const tenant = await signUp(fathom);
  const before = await instance(fathom, tenant.name);
  await limitFiles(before.pid ?? 0, 5);
  const hungUp = await untilInstance(
    fathom,
    tenant.name,
    ({ phase, reason }) => phase === 'unresponsive' && reason?.code === 'out_of_files',
    'to be found out',
  );
  expect(hungUp.reason?.message).toMatch(/ \d+ .* \d+ .*LimitNOFILE/);
  await untilReplaced(fathom, before);
  await writeAndRead(fathom, tenant, 'after');
});

it('a daemon without file descriptors ends no healthy instance, says so, and is well once it has some', async () => {
  const { fathom } = shared;
  const tenant = await signUp(fathom);
  const before = await instance(fathom, tenant.name);
  const globalBefore = await instance(fathom, 'global');
  const pid = await daemonPid(fathom);
  const undo = await limitFiles(pid, 3);
  onTestFinished(undo);
  // It answers no request now. Only its log shows the reason.
  const journal = join(fathom.dataDir, 'logs', 'fathomd.log');
  await until(async () => (await readFile(journal, 'utf8')).includes('LimitNOFILE'), {
    what: 'the daemon to say so',
  });
  await writeAndRead(fathom, tenant, 'meanwhile').catch(() => {});
  await undo();
  await until(
    () =>
      fathom.client.daemon.status().then(
        () => true,
        () => false,
      ),
    { what: 'it to answer again' },
  );
  const after = await untilInstance(
    fathom,
    tenant.name,
    ({ phase, reason }) => phase === 'running' && reason === null,
    'to be fine',
  );
  expect(after).toMatchObject({ pid: before.pid, restarts: 0 });
  expect(await instance(fathom, 'global')).toMatchObject({ pid: globalBefore.pid, restarts: 0 });
  await signUp(fathom);
});

it('a binary that is gone, or has become another one, is named; instances that run go on, and the others come back with it', async () => {
  const fathom = await deployment({ PB_HEALTH_INTERVAL: '1' });
  const binary = join(fathom.dataDir, 'pocketbase');
  await copyFile((await verifyBinary(null)).path, binary);
  await fathom.start({ PB_BINARY_PATH: binary });
  const [tenant, other] = [await signUp(fathom), await signUp(fathom)];
  const [before, otherBefore] = [await instance(fathom, tenant.name), await instance(fathom, other.name)];

  await rename(binary, `${binary}.away`);
  kill(before.pid, 'SIGKILL');
  const waits = (code: string) =>
    untilInstance(
      fathom,
      tenant.name,
      ({ phase, reason }) => phase === 'backing_off' && reason?.code === code,
      `to wait for ${code}`,
    );
  expect((await waits('binary_missing')).reason?.message).toContain(binary);

  // It still runs as PocketBase: only its bytes differ.
  await copyFile(`${binary}.away`, binary);
  await writeFile(binary, '\n', { flag: 'a' });
  expect((await waits('binary_changed')).reason?.message).toEqual(textWith(binary, '0.39.1'));
  expect(await instance(fathom, other.name)).toMatchObject({ pid: otherBefore.pid, restarts: 0 });
  await writeAndRead(fathom, other, 'meanwhile');

  await rm(binary);
  await rename(`${binary}.away`, binary);
  await untilReplaced(fathom, before);
  await writeAndRead(fathom, tenant, 'after');
});

const faketime = await execa('sh', ['-c', 'ls /usr/lib/*/faketime/libfaketime.so.1'], { reject: false });

it.skipIf(faketime.exitCode !== 0)(
  `a clock that jumps a day ahead and back changes nothing${faketime.exitCode === 0 ? '' : ' (skipped: needs the package faketime)'}`,
  async () => {
    const fathom = await deployment({ PB_HEALTH_INTERVAL: '1' });
    const now = join(fathom.dataDir, 'faketime');
    await writeFile(now, '+0');
    // Only the daemon's clock: PocketBase links no C library, so faketime cannot change its time.
    await fathom.start({
      LD_PRELOAD: faketime.stdout.trim(),
      FAKETIME_TIMESTAMP_FILE: now,
      FAKETIME_NO_CACHE: '1',
      DONT_FAKE_MONOTONIC: '1',
    });
    const tenant = await signUp(fathom);
    const before = await instance(fathom, tenant.name);
    const probedAt = async () => Date.parse((await instance(fathom, tenant.name)).probe?.at ?? '');
    const jump = async (offset: string, arrived: (ms: number) => boolean) => {
      const set = Date.now();
      await writeFile(now, offset);
      await until(async () => arrived((await probedAt()) - set), { what: `a probe at ${offset}` });
    };
    onTestFinished(() => writeFile(now, '+0'));
    const HOUR = 3_600_000;
    await jump('+86400', (ms) => ms > 20 * HOUR);
    expect((await signIn(fathom, tenant)).database?.status).toBe('Running');
    await signUp(fathom);
    await jump('+0', (ms) => ms > 0 && ms < HOUR);
    expect((await signIn(fathom, tenant)).database?.status).toBe('Running');
    await signUp(fathom);
    expect(await instance(fathom, tenant.name)).toMatchObject({
      pid: before.pid,
      restarts: 0,
      phase: 'running',
      reason: null,
    });
    const kills = await instance(fathom, tenant.name);
    await jump('+86400', (ms) => ms > 20 * HOUR);
    await jump('+0', (ms) => ms > 0 && ms < HOUR);
    kill(kills.pid, 'SIGKILL');
    const after = await untilReplaced(fathom, kills);
    expect(after.last_exit?.uptime_s).toBeGreaterThanOrEqual(0);
  },
);
