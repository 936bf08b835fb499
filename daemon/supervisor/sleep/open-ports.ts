import { isVerified } from '../../pocketbase/binary/binaries.ts';
import type { InstanceCommand } from '../../pocketbase/process/command.ts';
import type { ProcessDriver } from '../../pocketbase/process/process-driver.ts';
import type { Runner } from '../runner.ts';
import { commandOf } from '../start/launch.ts';

/** Commands in one message to the keeper. Other work of the daemon waits for them for about 5 ms. */
const COMMANDS_AT_A_TIME = 50;

const isUser = ({ spec }: Runner) => spec.kind === 'user';

/**
 * Opens the ports of all databases that sleep, or that wait for their start. Those that cannot sleep start, on another port
 * if another process has theirs.
 */
export async function openPorts(runners: readonly Runner[], driver: ProcessDriver): Promise<void> {
  const users = runners.filter(isUser);
  const asleep = users.filter(({ state }) => state.phase === 'asleep');
  const queued = users.filter(({ state }) => state.phase === 'queued' && state.observed.pid === null);
  // A process from an executable that is not verified would be started without a check.
  const verified = asleep.filter(({ spec }) => isVerified(spec.binary));
  const [first] = [...verified, ...queued];
  if (first) {
    const ports = { asleep: portsOf(verified), starting: portsOf(queued) };
    const closed = await driver.open(first.spec.host, ports);
    for (const runner of verified) if (closed.has(runner.state.observed.port ?? 0)) runner.wake();
  }
  for (const runner of asleep) if (!isVerified(runner.spec.binary)) runner.wake();
}

function portsOf(runners: readonly Runner[]): number[] {
  return runners.flatMap(({ state }) => state.observed.port ?? []);
}

/** Opens ports before it is known whether their databases sleep, so that the keeper works while the daemon reads others. */
export async function openEarly(runners: readonly Runner[], driver: ProcessDriver): Promise<void> {
  const [first] = runners;
  if (first) await driver.open(first.spec.host, { early: portsOf(runners) });
}

/**
 * Sends the commands of all databases that sleep to the keeper, some at a time, so that it can start them without a daemon.
 *
 * @param canSleep false for a database whose start changes its files, or shows a problem of them; it is started
 */
export async function sendCommands(
  runners: readonly Runner[],
  driver: ProcessDriver,
  { canSleep, signal }: { canSleep: (runner: Runner) => boolean; signal?: AbortSignal },
): Promise<void> {
  for (let next = 0; next < runners.length; next += COMMANDS_AT_A_TIME) {
    if (signal?.aborted) return;
    const commands: InstanceCommand[] = [];
    for (const runner of runners.slice(next, next + COMMANDS_AT_A_TIME)) {
      const { port } = runner.state.observed;
      if (!isUser(runner) || runner.state.phase !== 'asleep' || port === null) continue;
      if (canSleep(runner)) commands.push(commandOf(runner.spec, port, { migrate: false }));
      else runner.wake();
    }
    if (commands.length > 0) await driver.sendCommands(commands);
  }
}
