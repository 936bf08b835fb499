import { goTo, type Location, openedFrom, type Spot, stepInHistory } from '../../store/view/location.ts';
import { INITIAL_LOG_VIEW } from '../../store/view/ui-state.ts';
import { type Console, showNotice } from '../console.ts';

/** Shows another location. A log opens at its end, or at the time in `to.moment`. */
export function navigateTo({ ui }: Console, to: Location): void {
  const moment = to.screen === 'instance' ? (to.moment ?? null) : null;
  ui.update((state) => ({
    ...state,
    ...goTo(state, to),
    log: { ...INITIAL_LOG_VIEW, moment, wrap: state.log.wrap, level: state.log.level },
  }));
}

/** Opens a spot from the current location, to which Esc returns. */
export function openSpot(console: Console, spot: Spot): void {
  navigateTo(console, openedFrom(console.ui.get().at, spot));
}

/** Replaces the current location, for example with another tab, without a step in the history. */
export function switchTo({ ui }: Console, spot: Spot): void {
  ui.update((state) => ({ ...state, at: { ...spot, from: state.at.from } }));
}

export function moveInHistory(console: Console, direction: 'back' | 'forward'): void {
  const position = stepInHistory(console.ui.get(), direction);
  if (position === null) return showNotice(console, `The history has no step ${direction}.`);
  console.ui.update((state) => ({ ...state, ...position }));
}
