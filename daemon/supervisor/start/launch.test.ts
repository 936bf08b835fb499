import { once } from 'node:events';
import { copyFile, readFile, rename, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { expect, it, onTestFinished } from 'vitest';
import { type BareInstance, bareInstance } from '../../../test/helpers/bare-instance.ts';
import { freePortRange } from '../../../test/helpers/free-ports.ts';
import { createLog } from '../../base/log/log.ts';
import { Semaphore } from '../../base/semaphore.ts';
import { systemClock } from '../../base/time/clock.ts';
import { changedBinary, verifyBinary } from '../../pocketbase/binary/binary.ts';
import { probe } from '../../pocketbase/process/probe.ts';
import type { InstanceProcess } from '../../pocketbase/process/process-driver.ts';
import { hostFiles } from '../instance-files.ts';
import type { InstanceSpec } from '../instance-spec.ts';
import { launch } from './launch.ts';
import { PortAllocator, type PortCheck, portIsFree } from './ports.ts';

const NEVER = new AbortController().signal;

async function launched(
  instance: BareInstance,
  base: number,
  isFree: PortCheck,
  {
    kind = 'global',
    prepared = null,
    wasMissing = false,
    prepare = () => Promise.resolve(null),
    savePort = () => Promise.resolve(true),
  }: Partial<Pick<InstanceSpec, 'kind' | 'prepare' | 'savePort'>> & {
    prepared?: string | null;
    wasMissing?: boolean;
  } = {},
) {
  const { command, directory, log, driver } = instance;
  const binary = { ...(await verifyBinary(null)), path: command.binary };
  const spec = {
    ...command,
    kind,
    directory,
    log,
    binary,
    archived: () => null,
    bringBack: () => Promise.resolve(null),
    binaryProblem: () => changedBinary(binary),
    port: { preferred: base },
    prepare,
    limits: () => ({ memory_bytes: null, disk_bytes: null, sleep_after: 0 }),
    sleepAfterMs: () => null,
    staysAwake: () => false,
    hasOwnJobs: () => false,
    isDeveloper: () => false,
    access: () => 'app',
    isPrepared: () => true,
    applications: () => [],
    connectPorts: () => null,
    savePort,
  } as unknown as InstanceSpec;
  const deps = {
    driver,
    probe,
    clock: systemClock,
    starts: new Semaphore(4),
    files: hostFiles({ clock: systemClock }),
    log: createLog({ level: 'silent' }),
    ports: new PortAllocator({
      host: command.host,
      base,
      range: 3,
      sockets: { hold: isFree, release: () => {} },
    }),
  };
  const tried: number[] = [];
  let process: InstanceProcess | null = null as InstanceProcess | null;
  const outcome = await launch(
    spec,
    { lastPort: null, prepared, wasMissing },
    deps,
    NEVER,
    (spawned, { port }) => {
      tried.push(port);
      process = spawned;
      onTestFinished(() => {
        spawned.signal('SIGKILL');
      });
    },
  );
  return { outcome, tried, process };
}

/** Responds to every request with 200, like another PocketBase. */
async function serveOn(host: string, port: number): Promise<void> {
  const server = createServer((_request, response) => response.end('{}')).listen(port, host);
  await once(server, 'listening');
  onTestFinished(() => {
    server.close();
  });
}

it('tries the next port when another server takes the port after its check', async () => {
  const instance = await bareInstance();
  const base = await freePortRange(3);
  const { outcome, tried } = await launched(instance, base, async (host, port) => {
    const free = await portIsFree(host, port);
    if (port === base) await serveOn(host, port);
    return free;
  });
  expect(tried).toEqual([base, base + 1]);
  expect(outcome).toMatchObject({ kind: 'running', running: { port: base + 1 } });
});

it('starts no process on a port that cannot be stored', async () => {
  const base = await freePortRange(3);
  const asked: number[] = [];
  const { outcome, tried } = await launched(await bareInstance(), base, portIsFree, {
    savePort: (port) => {
      asked.push(port);
      return Promise.resolve(port !== base);
    },
  });
  expect({ asked, tried }).toEqual({ asked: [base, base + 1], tried: [base + 1] });
  expect(outcome).toMatchObject({ kind: 'running', running: { port: base + 1 } });
});

it('fails without a process when no port is free', async () => {
  const { outcome, tried } = await launched(await bareInstance(), 9000, () => Promise.resolve(false));
  expect(tried).toEqual([]);
  expect(outcome).toMatchObject({ kind: 'failed', reason: { code: 'ports_exhausted' }, exit: null });
});

it('never creates a missing or empty user database', async () => {
  const instance = await bareInstance();
  const base = await freePortRange(3);
  const first = await launched(instance, base, portIsFree, { kind: 'user' });
  expect(first.outcome).toMatchObject({ kind: 'failed', reason: { code: 'data_dir_missing' } });

  const process = await instance.start();
  await instance.untilReady();
  process.signal('SIGTERM');
  await process.exited;
  await writeFile(`${instance.command.dataDir}/data.db`, '');
  const empty = await launched(instance, base, portIsFree, { kind: 'user' });
  expect(empty.outcome).toMatchObject({ kind: 'failed', reason: { code: 'database_corrupt' } });

  await rm(instance.directory, { recursive: true });
  const gone = await launched(instance, base, portIsFree, { kind: 'user' });
  expect(gone.outcome).toMatchObject({ kind: 'failed', reason: { code: 'data_dir_missing' } });
  expect([...first.tried, ...empty.tried, ...gone.tried]).toEqual([]);
});

it('waits after a failure until files that were missing are copied completely', async () => {
  const instance = await bareInstance();
  const base = await freePortRange(3);
  const first = await instance.start();
  await instance.untilReady();
  first.signal('SIGTERM');
  await first.exited;
  const retried = await launched(instance, base, portIsFree, { kind: 'user', wasMissing: true });
  expect(retried.outcome).toMatchObject({ kind: 'failed', reason: { code: 'data_dir_missing' } });
  expect(retried.tried).toEqual([]);
  // A command does not wait.
  const commanded = await launched(instance, base, portIsFree, { kind: 'user' });
  expect(commanded.outcome).toMatchObject({ kind: 'running' });
});

it('prepares settings and migrations once for each database file', async () => {
  const instance = await bareInstance();
  const base = await freePortRange(3);
  const file = `${instance.command.dataDir}/data.db`;
  const stamp = () =>
    hostFiles({ clock: systemClock }).database({ directory: instance.directory } as InstanceSpec)?.stamp ??
    null;
  let prepared: string | null = null;
  const preparations: boolean[] = [];
  const run = async () => {
    let times = 0;
    const { outcome, process } = await launched(instance, base, portIsFree, {
      prepared,
      prepare: () => {
        times += 1;
        return Promise.resolve(null);
      },
    });
    if (outcome.kind !== 'running') throw new Error(JSON.stringify(outcome));
    const migrates = (await readFile(`/proc/${process?.pid}/cmdline`, 'utf8')).includes(
      `--migrationsDir=${instance.command.migrationsDir}`,
    );
    process?.signal('SIGKILL');
    await process?.exited;
    prepared = stamp();
    preparations.push(times === 1 && migrates);
    if (migrates !== (times === 1)) throw new Error('prepared only the settings or only the migrations');
  };
  await run();
  await run();
  await copyFile(file, `${file}.backup`);
  const { ino, atime, mtime } = await stat(file);
  await copyFile(`${file}.backup`, file);
  await utimes(file, atime, mtime);
  expect(await stat(file)).toMatchObject({ ino, mtime });
  await run();
  await run();
  await rename(`${file}.backup`, file);
  await run();
  expect(preparations).toEqual([true, false, true, false, true]);
});

it('reports a missing binary', async () => {
  const instance = await bareInstance();
  const missing = { ...instance, command: { ...instance.command, binary: '/nowhere/pocketbase' } };
  const { outcome } = await launched(missing, 9000, () => Promise.resolve(true));
  expect(outcome).toMatchObject({ kind: 'failed', reason: { code: 'binary_missing' } });
});
