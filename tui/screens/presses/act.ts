import { type Action, asksFirst, type ConfirmedVerb } from '../../store/actions/actions.ts';
import { actionsOff } from '../../widgets/link-words.ts';
import type { Console } from '../console.ts';
import { say } from './say.ts';

/** Does it, after a question where there is one to ask; says why where nothing can be done now. */
export function act(console: Console, action: Action<ConfirmedVerb>): void {
  const off = actionsOff(console.fleet.store.get().link);
  if (off !== null) return say(console, off);
  if (!asksFirst(action)) return void console.fleet.actions.run(action);
  console.ui.update((state) => ({ ...state, dialog: { kind: 'confirm', action } }));
}
