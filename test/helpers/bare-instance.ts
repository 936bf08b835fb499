import { randomUUID } from 'node:crypto';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import { systemClock } from '../../daemon/base/time/clock.ts';
import { verifyBinary } from '../../daemon/pocketbase/binary/binary.ts';
import { InstanceLog } from '../../daemon/pocketbase/logs/instance-log.ts';
import { ENCRYPTION_VARIABLE, type InstanceCommand } from '../../daemon/pocketbase/process/command.ts';
import { probe, READINESS_PATH, waitUntilReady } from '../../daemon/pocketbase/process/probe.ts';
import { ChildProcessDriver, type InstanceProcess } from '../../daemon/pocketbase/process/process-driver.ts';
import type { SandboxSetting } from '../../shared/sandbox.ts';
import { freePortRange } from './free-ports.ts';
import { scratch } from './scratch.ts';
import { testedPocketBase } from './tested-pocketbase.ts';

const READY_TIMEOUT_MS = 60_000;

export interface BareInstance {
  directory: string;
  command: InstanceCommand;
  log: InstanceLog;
  driver: ChildProcessDriver;
  fleetId: string;
  /** Ended with the test, if it has not ended by then. */
  start(changes?: Partial<InstanceCommand>): Promise<InstanceProcess>;
  /** Waits for its first good answer. */
  untilReady(): Promise<void>;
}

/** One real PocketBase, without a daemon around it. */
export async function bareInstance(setting: SandboxSetting = 'auto'): Promise<BareInstance> {
  const directory = await scratch();
  const fleetId = randomUUID();
  const driver = new ChildProcessDriver({
    fleetId,
    clock: systemClock,
    sandboxes: { setting, fleetDirectories: [directory] },
  });
  onTestFinished(() => driver.close());
  const log = new InstanceLog(join(directory, 'instance.log'), systemClock, {
    maxBytes: 64 * 1024 * 1024,
    retentionMs: 86_400_000,
  });
  const migrationsDir = join(directory, 'migrations');
  await mkdir(migrationsDir);
  const command: InstanceCommand = {
    name: 'bare',
    binary: (await verifyBinary(await testedPocketBase())).path,
    dataDir: join(directory, 'pb_data'),
    lockFile: join(directory, 'lock'),
    logFile: log.path,
    host: '127.0.0.1',
    port: await freePortRange(1),
    migrationsDir,
    hooksDir: null,
    publicDir: null,
    hooksPool: 1,
    kind: 'user',
    memoryBytes: null,
    environment: { [ENCRYPTION_VARIABLE]: '0123456789abcdef0123456789abcdef' },
  };
  return {
    directory,
    command,
    log,
    driver,
    fleetId,
    start: async (changes = {}) => {
      const process = await driver.spawn({ ...command, ...changes });
      onTestFinished(async () => {
        process.signal('SIGKILL');
        await process.exited;
      });
      return process;
    },
    untilReady: async () => {
      const target = { host: command.host, port: command.port, path: READINESS_PATH };
      const signal = AbortSignal.timeout(READY_TIMEOUT_MS);
      const ready = await waitUntilReady(target, { probe, clock: systemClock, signal, concurrentStarts: 1 });
      if (!ready) throw new Error(`PocketBase was not ready: ${(await log.tail(5)).join(' ')}`);
    },
  };
}
