import { randomUUID } from 'node:crypto';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemClock } from '../../daemon/base/time/clock.ts';
import { ENCRYPTION_VARIABLE, type InstanceCommand } from '../../daemon/pocketbase/process/command.ts';
import { ChildProcessDriver, type InstanceProcess } from '../../daemon/pocketbase/process/process-driver.ts';
import { pssBytes } from '../../daemon/pocketbase/process/procfs.ts';
import type { SandboxLevel } from '../../shared/sandbox.ts';
import { freePortRange } from '../../test/helpers/free-ports.ts';
import { BINARY, untilAnswers } from '../bare-pocketbase.ts';
import { median, ms, report } from '../measure.ts';

const ROUNDS = 40;
const SETTINGS = ['off', 'auto'] as const;
type Setting = (typeof SETTINGS)[number];

/** What the sandbox of an instance costs at its start and in memory: with and without it, turn by turn. */
export async function benchSandbox(): Promise<boolean> {
  const scratch = await mkdtemp(join(tmpdir(), 'fathom-bench-'));
  const port = await freePortRange(1);
  const drivers = Object.fromEntries(
    SETTINGS.map((setting) => [
      setting,
      new ChildProcessDriver({
        fleetId: randomUUID(),
        clock: systemClock,
        sandboxes: { setting, fleetDirectories: [scratch] },
      }),
    ]),
  ) as Record<Setting, ChildProcessDriver>;
  const took: Record<Setting, number[]> = { off: [], auto: [] };
  const memory: Record<Setting, number[]> = { off: [], auto: [] };
  let level: SandboxLevel | null = null;
  // Waiting for the keeper alone does not keep a program running.
  const alive = setInterval(() => {}, 60_000);
  try {
    for (const setting of SETTINGS) {
      await mkdir(join(scratch, setting));
      // Creates the database, and the process that starts the others.
      await end(await drivers[setting].spawn(commandFor(scratch, setting, port)), port);
    }
    for (let round = 0; round < ROUNDS; round += 1) {
      for (const setting of SETTINGS) {
        const began = performance.now();
        const instance = await drivers[setting].spawn(commandFor(scratch, setting, port));
        await untilAnswers(port);
        took[setting].push(performance.now() - began);
        memory[setting].push((await pssBytes(instance.pid)) ?? Number.NaN);
        if (setting === 'auto') level = instance.sandbox?.level ?? null;
        await end(instance, port);
      }
    }
  } finally {
    clearInterval(alive);
    for (const setting of SETTINGS) drivers[setting].close();
    await rm(scratch, { recursive: true });
  }
  const startMs = { off: median(took.off), auto: median(took.auto) };
  const start = report({
    name: 'sandbox start',
    compares: `start of an instance until it answers, at the level '${level}' / without a sandbox`,
    value: startMs.auto / startMs.off,
    bar: 1.15,
    unit: '',
    details: `medians of ${ROUNDS}: ${ms(startMs.auto)} and ${ms(startMs.off)}`,
  });
  const pss = { off: median(memory.off), auto: median(memory.auto) };
  const resident = report({
    name: 'sandbox memory',
    compares: `PSS of an instance that has answered once, at the level '${level}' / without a sandbox`,
    value: pss.auto / pss.off,
    bar: 1.05,
    unit: '',
    details: `medians of ${ROUNDS}: ${(pss.auto / 1e6).toFixed(2)} MB and ${(pss.off / 1e6).toFixed(2)} MB`,
  });
  return start && resident;
}

function commandFor(scratch: string, setting: Setting, port: number): InstanceCommand {
  const directory = join(scratch, setting);
  return {
    name: setting,
    binary: BINARY,
    dataDir: join(directory, 'pb_data'),
    lockFile: join(directory, 'lock'),
    logFile: join(directory, 'instance.log'),
    host: '127.0.0.1',
    port,
    migrationsDir: null,
    hooksDir: null,
    publicDir: null,
    hooksPool: 1,
    kind: 'user',
    memoryBytes: null,
    environment: { [ENCRYPTION_VARIABLE]: '0123456789abcdef0123456789abcdef' },
  };
}

/** Ends an instance once it answers. */
async function end(instance: InstanceProcess, port: number): Promise<void> {
  await untilAnswers(port);
  instance.signal('SIGTERM');
  await instance.exited;
}
