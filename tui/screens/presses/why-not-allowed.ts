import { actionsOff } from '../../widgets/link-words.ts';
import type { Console } from '../console.ts';

/** Why the daemon would refuse it, before anything is asked; null when it may be done. */
export function whyNotAllowed({ fleet, readOnly }: Console, permission: string): string | null {
  const { link, status, status_problem: problem } = fleet.store.get();
  const off = actionsOff(link);
  if (off !== null) return off;
  if (readOnly) return 'This console only looks: it was started with --read-only.';
  if (status === null) return `It is not known what you may do here: ${problem ?? 'try again in a moment'}.`;
  return status.permissions.includes(permission)
    ? null
    : `This is refused: you lack the permission ${permission}.`;
}
