import { FathomError, messageOf } from '../../../shared/errors.ts';
import type { FoundProcess } from '../../pocketbase/process/process-driver.ts';
import type { Fleet } from '../fleet.ts';
import { GLOBAL_NAME } from '../global-instance.ts';
import type { InstanceSpec } from '../instance-spec.ts';
import { adoptionProblem } from './takeover.ts';

/**
 * Takes over the global PocketBase of an earlier daemon, or starts it.
 *
 * @param processes of the global PocketBase that are running
 * @throws FathomError `control_plane.unavailable` with the reason
 */
export async function startGlobal(
  processes: readonly FoundProcess[],
  { fleet, spec }: { fleet: Fleet; spec: InstanceSpec },
): Promise<void> {
  const [process] = processes;
  const adopt = process && adoptionProblem(process, spec) === null ? process : undefined;
  const others = processes.filter((other) => other !== adopt);
  // They use the fixed port.
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
