import { sanitise } from '../../store/words/sanitise.ts';
import type { Console } from '../console.ts';

/** Answers a key with a sentence; it goes with the next key, or after a while. */
export function say({ ui, fleet }: Console, text: string): void {
  const { now } = fleet.store.get();
  ui.update((state) => ({ ...state, notice: { text: sanitise(text), at: now } }));
}
