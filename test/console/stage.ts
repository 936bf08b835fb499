import { afterEach } from 'vitest';
import { freePortRange } from '../helpers/free-ports.ts';
import { ConsoleHarness, type HarnessOptions } from './console-harness.ts';
import { fleetOf, globalInstance } from './fleet-fixtures.ts';
import { StubDaemon } from './stub-daemon.ts';

const cleanups: (() => unknown)[] = [];

afterEach(async () => {
  for (const cleanup of cleanups.splice(0).toReversed()) await cleanup();
});

/** A stub daemon that is closed after the test; on `port`, where another one was before. */
export async function daemon(
  instances = [globalInstance(), ...fleetOf(3)],
  where?: { port: number } | { path: string },
): Promise<StubDaemon> {
  const stub = await new StubDaemon(instances).listen(where ?? { port: await freePortRange(1) });
  cleanups.push(() => stub.close());
  return stub;
}

/** The console on a terminal of its own, closed after the test. */
export function open(
  target: HarnessOptions['target'],
  options: Partial<HarnessOptions> = {},
): ConsoleHarness {
  const harness = new ConsoleHarness({ target, ...options });
  cleanups.push(() => harness.close());
  return harness;
}
