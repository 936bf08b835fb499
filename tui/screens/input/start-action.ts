import { type Action, type ConfirmedVerb, needsConfirmation } from '../../store/actions/actions.ts';
import { actionsOffReason } from '../../widgets/link-text.ts';
import { type Console, showNotice } from '../console.ts';

/** Does it, after a question where there is one to ask; says why where nothing can be done now. */
export function startAction(console: Console, action: Action<ConfirmedVerb>): void {
  const off = actionsOffReason(console.fleet.store.get().link);
  if (off !== null) return showNotice(console, off);
  if (!needsConfirmation(action)) return void console.fleet.actions.run(action);
  console.ui.update((state) => ({ ...state, dialog: { kind: 'confirm', action } }));
}

/** Why the daemon would refuse it, before anything is asked; null when it may be done. */
export function denialReason({ fleet, readOnly }: Console, permission: string): string | null {
  const { link, status, status_problem: problem } = fleet.store.get();
  const off = actionsOffReason(link);
  if (off !== null) return off;
  if (readOnly) return 'This console only looks: it was started with --read-only.';
  if (status === null) return `It is not known what you may do here: ${problem ?? 'try again in a moment'}.`;
  return status.permissions.includes(permission)
    ? null
    : `This is refused: you lack the permission ${permission}.`;
}
