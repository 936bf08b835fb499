import { createHash } from 'node:crypto';
import { existsSync, realpathSync } from 'node:fs';
import { KEEPER_VARIABLE } from '../../daemon/pocketbase/process/keeper/keeper-link.ts';
import { findByEnvironment } from '../../daemon/pocketbase/process/procfs.ts';

/** By which the daemon marks the processes of a data directory. */
export function fleetIdOf(dataDir: string): string {
  return createHash('sha256').update(realpathSync(dataDir)).digest('hex').slice(0, 16);
}

/** The processes of a data directory's fleet, daemon or not: found the way the daemon finds them, in /proc. */
export async function fleetProcesses(dataDir: string): Promise<{ pid: number; instance: string }[]> {
  if (!existsSync(dataDir)) return [];
  const found = await findByEnvironment('FATHOM_FLEET', fleetIdOf(dataDir));
  return found.map(({ pid, environment }) => ({ pid, instance: environment.get('FATHOM_INSTANCE') ?? '' }));
}

/** Ends what a failed test left running, and fails the test for it. */
export async function assertNothingLeft(dataDir: string): Promise<void> {
  const left = await fleetProcesses(dataDir);
  for (const { pid } of left) process.kill(pid, 'SIGKILL');
  if (left.length > 0) {
    throw new Error(
      `processes left behind: ${left.map(({ pid, instance }) => `${instance} (${pid})`).join(', ')}`,
    );
  }
}

/** The process that starts the instances of a fleet and holds their sockets. */
export async function keeperOf(fleetId: string): Promise<number> {
  const [keeper, ...others] = await findByEnvironment(KEEPER_VARIABLE, fleetId);
  if (!keeper || others.length > 0) throw new Error(`${others.length + (keeper ? 1 : 0)} keepers`);
  return keeper.pid;
}
