import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { appendFile, copyFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { verifyBinary } from '../../daemon/pocketbase/binary/binary.ts';
import { withDatabase } from '../../daemon/pocketbase/data/sqlite.ts';
import type { Instance } from '../../shared/api/instances.ts';
import { ERROR_CODES } from '../../shared/errors.ts';
import type { LogLine, LogRun } from '../../shared/events.ts';
import type { Daemon, Deployment } from '../helpers/deployment.ts';
import {
  instance,
  kill,
  ownerOf,
  signUp,
  signUpMany,
  type Tenant,
  untilReplaced,
  writeAndRead,
} from '../helpers/fleet-actions.ts';
import { freePortRange } from '../helpers/free-ports.ts';
import { deployment } from '../helpers/harness.ts';
import { fleetIdOf, fleetProcesses, keeperOf } from '../helpers/leaks.ts';
import { serveByHand, untilServing } from '../helpers/serve-by-hand.ts';
import { StreamReader } from '../helpers/stream-reader.ts';
import { until } from '../helpers/until.ts';

function untilAllRun(fathom: Deployment): Promise<Instance[]> {
  return until(
    async () => {
      const all = await fathom.client.databases.all();
      return all.every(({ phase }) => phase === 'running') ? all : null;
    },
    { what: 'all to run' },
  );
}

const pids = (instances: readonly Instance[]) => new Map(instances.map(({ name, pid }) => [name, pid]));

/** A binary that runs as well, and differs from the original by its content. */
async function copyOfBinary(path: string, mark: string): Promise<void> {
  await copyFile((await verifyBinary(null)).path, path);
  await appendFile(path, mark);
}

async function killDaemon(daemon: Daemon): Promise<void> {
  daemon.signal('SIGKILL');
  await daemon.exited;
}

/** Where runs begin among the last lines of a log, as the stream sends them. */
async function runsInLog(fathom: Deployment, name: string): Promise<LogRun[]> {
  const stream = new StreamReader(fathom);
  await stream.subscribe(1, `logs:${name}`);
  const frame = await stream.untilFrame(({ type }) => type === 'snapshot', 'the end of the log');
  stream.close();
  const lines = frame.type === 'snapshot' ? (frame.data as LogLine[]) : [];
  return lines.flatMap(({ run }) => run ?? []);
}

/** Writes one record after the other until it is stopped. */
async function writer(fathom: Deployment, tenant: Tenant) {
  const owner = await ownerOf(fathom, tenant);
  let written = 0;
  const ending = new AbortController();
  const loop = (async () => {
    while (!ending.signal.aborted) {
      await owner.collection('documents').create({ title: `number ${written}` });
      written += 1;
    }
  })();
  return {
    written: () => written,
    end: async () => {
      ending.abort();
      await loop;
      const { totalItems } = await owner.collection('documents').getList(1, 1);
      return { written, kept: totalItems };
    },
  };
}

/** Makes the control plane refuse the last step of a start, until what it returns is called. */
function refuseQueueSettings(fathom: Deployment): () => void {
  const database = join(fathom.dataDir, 'global', 'pb_data', 'data.db');
  const execute = (sql: string) =>
    withDatabase(database, { readOnly: false, timeoutMs: 10_000 }, (open) => open.exec(sql));
  execute(`CREATE TRIGGER refused BEFORE UPDATE ON queue_settings BEGIN SELECT RAISE(ABORT, 'refused'); END`);
  return () => execute('DROP TRIGGER refused');
}

it('a failed start leaves the instances of an earlier daemon running, and ends what it started', async () => {
  const fathom = await deployment();
  const daemon = await fathom.start();
  const [left, started] = await signUpMany(fathom, 2);
  if (!left || !started) throw new Error('tenants');
  await untilAllRun(fathom);
  const { pid } = await instance(fathom, left.name);
  const victim = await instance(fathom, started.name);
  await killDaemon(daemon);
  kill(victim.pid, 'SIGKILL');

  const allow = refuseQueueSettings(fathom);
  expect(await fathom.launch().exited).toBe(ERROR_CODES.internal.exit);
  expect(await fleetProcesses(fathom.dataDir)).toEqual([{ instance: left.name, pid }]);

  allow();
  await fathom.start();
  await untilAllRun(fathom);
  expect(await instance(fathom, left.name)).toMatchObject({ pid, restarts: 0, run: null });
});

it('a killed daemon takes no instance along: clients go on, and the next one takes all over', async () => {
  const fathom = await deployment();
  const began = Date.now();
  const daemon = await fathom.start();
  const [busy, stopped, killed, restarted, ...others] = await signUpMany(fathom, 5);
  if (!busy || !stopped || !killed || !restarted) throw new Error('tenants');
  const before = await untilAllRun(fathom);
  const client = await writer(fathom, busy);

  const killedAt = Date.now();
  await killDaemon(daemon);
  const alone = client.written();
  await until(() => client.written() > alone + 20, { what: 'writes without a daemon' });
  await fathom.start();
  const after = await untilAllRun(fathom);
  const { written, kept } = await client.end();
  expect(written).toBe(kept);

  expect(pids(after)).toEqual(pids(before));
  for (const one of after) {
    const earlier = before.find(({ name }) => name === one.name);
    expect(one).toMatchObject({ restarts: 0, run: null, attempt: 0, port: earlier?.port, reason: null });
    // Of the process, not of the take-over; the kernel counts in hundredths of a second.
    const startedAt = Date.parse(one.started_at ?? '');
    expect(startedAt).toBeGreaterThan(began - 20);
    expect(startedAt).toBeLessThan(killedAt);
  }

  // Supervision goes on as with its own children.
  const victim = await instance(fathom, killed.name);
  kill(victim.pid, 'SIGKILL');
  const back = await untilReplaced(fathom, victim);
  expect(back).toMatchObject({ restarts: 1, run: 1, port: victim.port, last_exit: { ended_by: null } });
  expect(await runsInLog(fathom, killed.name)).toMatchObject([
    { pid: victim.pid, run: null, last_exit: null },
    { pid: back.pid, run: 1, last_exit: { ended_by: null } },
  ]);
  expect(await fathom.client.databases.stop(stopped.name)).toMatchObject({ phase: 'stopped', pid: null });
  const { pid } = await instance(fathom, restarted.name);
  expect((await fathom.client.databases.restart(restarted.name)).pid).not.toBe(pid);
  const running = new Set((await fleetProcesses(fathom.dataDir)).map(({ instance: name }) => name));
  expect(running).toEqual(
    new Set(['global', busy.name, killed.name, restarted.name, ...others.map(({ name }) => name)]),
  );
  await writeAndRead(fathom, killed, 'after');
});

it('with another master key every database goes on for its owner, and says what is wrong', async () => {
  const fathom = await deployment({ PB_HEALTH_INTERVAL: '1' });
  const daemon = await fathom.start();
  const tenant = await signUp(fathom);
  const before = await instance(fathom, tenant.name);
  await daemon.stop();

  await fathom.start({ AES_MASTER_KEY: randomBytes(32).toString('base64') });
  await until(async () => (await instance(fathom, tenant.name)).reason !== null, { what: 'a reason' });
  const after = await instance(fathom, tenant.name);
  expect(after).toMatchObject({
    phase: 'running',
    port: before.port,
    reason: { code: 'secret_undecryptable' },
  });
  expect(after.reason?.message).toContain('AES_MASTER_KEY');
  await writeAndRead(fathom, tenant, 'all the same');
});

it('what does not fit is ended: no row, a second one, another executable; strangers are left alone', async () => {
  const fathom = await deployment();
  const daemon = await fathom.start();
  const [doubled, replaced] = [await signUp(fathom), await signUp(fathom)];
  const before = await untilAllRun(fathom);
  await killDaemon(daemon);

  const [port, secondPort] = [await freePortRange(1), await freePortRange(1)];
  const elsewhere = (label: string) => join(fathom.dataDir, 'elsewhere', label);
  const gone = '2020-01-01-001-gone';
  const orphan = await serveByHand(fathom, gone, { port, dir: elsewhere('a'), markedAs: gone });
  const second = await serveByHand(fathom, doubled.name, {
    port: secondPort,
    dir: elsewhere('b'),
    markedAs: doubled.name,
  });
  // Another executable on the right data at the right port serves on until it is its turn to be replaced.
  const old = before.find(({ name }) => name === replaced.name);
  kill(old?.pid ?? null, 'SIGKILL');
  // Its socket is then closed, as after an earlier release.
  kill(await keeperOf(fleetIdOf(fathom.dataDir)), 'SIGKILL');
  const otherBinary = join(fathom.dataDir, 'pocketbase-of-old');
  await copyOfBinary(otherBinary, 'another version');
  await until(async () => (await fleetProcesses(fathom.dataDir)).every(({ pid }) => pid !== old?.pid), {
    what: 'the old process to be gone',
  });
  const misfit = await serveByHand(fathom, replaced.name, {
    port: old?.port ?? 0,
    binary: otherBinary,
    lock: true,
    markedAs: replaced.name,
  });
  const stranger = spawn('sleep', ['600'], {
    env: { FATHOM_FLEET: 'another', FATHOM_INSTANCE: doubled.name },
    stdio: 'ignore',
  });
  onTestFinished(() => {
    stranger.kill('SIGKILL');
  });
  await Promise.all([untilServing(port), untilServing(secondPort), untilServing(old?.port ?? 0)]);
  const ends = [orphan, second, misfit].map((child) => once(child, 'exit'));

  await fathom.start();
  await Promise.all(ends);
  const after = await untilAllRun(fathom);
  expect(pids(after).get(doubled.name)).toBe(pids(before).get(doubled.name));
  expect(after.find(({ name }) => name === replaced.name)).toMatchObject({ restarts: 0, port: old?.port });
  expect(stranger.exitCode ?? stranger.signalCode).toBeNull();
  await writeAndRead(fathom, replaced, 'on its own data');
  expect(await fleetProcesses(fathom.dataDir)).toHaveLength(3);
});

it('with another binary the whole fleet is replaced, with the same one at another place nothing is', async () => {
  const fathom = await deployment();
  const daemon = await fathom.start();
  const tenant = await signUp(fathom);
  const before = await untilAllRun(fathom);
  await killDaemon(daemon);
  // Not even one that does not react keeps its port.
  kill(pids(before).get('global') ?? null, 'SIGSTOP');
  const upgraded = join(fathom.dataDir, 'pocketbase-upgraded');
  await copyOfBinary(upgraded, 'another version');
  const second = await fathom.start({ PB_BINARY_PATH: upgraded });
  await until(async () => (await instance(fathom, tenant.name)).pid !== pids(before).get(tenant.name), {
    what: 'its turn',
  });
  const after = await untilAllRun(fathom);
  for (const { name, pid } of after) expect(pid).not.toBe(pids(before).get(name));
  expect(await fleetProcesses(fathom.dataDir)).toHaveLength(2);
  await writeAndRead(fathom, tenant, 'with the new one');

  await killDaemon(second);
  const moved = join(fathom.dataDir, 'pocketbase-moved');
  await copyFile(upgraded, moved);
  await rm(upgraded);
  await fathom.start({ PB_BINARY_PATH: moved });
  expect(pids(await untilAllRun(fathom))).toEqual(pids(after));
});
