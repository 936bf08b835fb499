import { type Action, type ConfirmedVerb, needsConfirmation } from '../../store/actions/actions.ts';
import { actionsOffReason } from '../../widgets/link-text.ts';
import { type Console, showNotice } from '../console.ts';

/** Runs an action, after a question if it needs one. Shows why if actions are off. */
export function startAction(console: Console, action: Action<ConfirmedVerb>): void {
  const off = actionsOffReason(console.fleet.store.get().link);
  if (off !== null) return showNotice(console, off);
  if (!needsConfirmation(action)) return void console.fleet.actions.run(action);
  console.ui.update((state) => ({ ...state, dialog: { kind: 'confirm', action } }));
}

/** Why the daemon would refuse an action; null if it is allowed. Used before the console asks a question. */
export function denialReason({ fleet, readOnly }: Console, permission: string): string | null {
  const { link, status, status_problem: problem } = fleet.store.get();
  const off = actionsOffReason(link);
  if (off !== null) return off;
  if (readOnly) return 'Not allowed: this console was started with --read-only.';
  if (status === null) return `Your permissions are not known yet: ${problem ?? 'try again in a moment'}.`;
  return status.permissions.includes(permission)
    ? null
    : `Not allowed: you need the permission ${permission}.`;
}
