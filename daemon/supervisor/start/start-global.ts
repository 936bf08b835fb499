import { FathomError, messageOf } from '../../../shared/errors.ts';
import type { FoundProcess } from '../../pocketbase/process/process-driver.ts';
import type { Fleet } from '../fleet.ts';
import { GLOBAL_NAME } from '../global-instance.ts';
import type { InstanceSpec } from '../instance-spec.ts';
import { whyNotAdopt } from './takeover.ts';

/**
 * Takes over the global PocketBase that a former daemon left, or starts it.
 *
 * @param processes those of it that run already
 * @throws FathomError `control_plane.unavailable` with its last words: without it there is no daemon
 */
export async function startGlobal(
  processes: readonly FoundProcess[],
  { fleet, spec }: { fleet: Fleet; spec: InstanceSpec },
): Promise<void> {
  const [process] = processes;
  const adopt = process && whyNotAdopt(process, spec) === null ? process : undefined;
  const others = processes.filter((other) => other !== adopt);
  // It needs their port, which cannot be another one.
  await Promise.all(others.map((other) => fleet.endFound(other)));
  try {
    await fleet.start(GLOBAL_NAME, { force: false, ...(adopt ? { adopt } : {}) });
  } catch (error) {
    throw new FathomError(
      'control_plane.unavailable',
      `the global PocketBase does not start: ${fleet.get(GLOBAL_NAME).state.reason?.message ?? messageOf(error)}`,
      { cause: error },
    );
  }
}
