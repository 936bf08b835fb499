import { goTo, type Location, openedFrom, type Spot, stepInHistory } from '../../store/view/location.ts';
import { INITIAL_LOG_VIEW } from '../../store/view/ui-state.ts';
import { type Console, showNotice } from '../console.ts';

/** To another place. A log is seen from its end, or as it was at a moment, whatever was read before. */
export function navigateTo({ ui }: Console, to: Location): void {
  const moment = to.screen === 'instance' ? (to.moment ?? null) : null;
  ui.update((state) => ({
    ...state,
    ...goTo(state, to),
    log: { ...INITIAL_LOG_VIEW, moment, wrap: state.log.wrap, level: state.log.level },
  }));
}

/** To a place that Esc leaves for the present one. */
export function openSpot(console: Console, spot: Spot): void {
  navigateTo(console, openedFrom(console.ui.get().at, spot));
}

/** The same place, seen otherwise (another tab): no step of the history. */
export function switchTo({ ui }: Console, spot: Spot): void {
  ui.update((state) => ({ ...state, at: { ...spot, from: state.at.from } }));
}

export function moveInHistory(console: Console, direction: 'back' | 'forward'): void {
  const there = stepInHistory(console.ui.get(), direction);
  if (there === null) return showNotice(console, `There is nothing to go ${direction} to.`);
  console.ui.update((state) => ({ ...state, ...there }));
}
