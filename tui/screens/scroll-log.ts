import type { Move } from '../store/cursor.ts';
import { endOf, findLines } from '../store/log-buffer.ts';
import type { Console } from './console.ts';
import { logRows, visibleEnd } from './log-lines.ts';
import { say } from './say.ts';
import type { Size } from './screen.ts';

/** Moves the view of the open log; reaching the end follows it again. */
export function scrollLog({ fleet, ui }: Console, by: Move | 'page.up' | 'page.down', size: Size): void {
  const buffer = fleet.store.get().log?.buffer;
  const state = ui.get();
  if (buffer === undefined) return;
  const last = endOf(buffer);
  const rows = logRows(size);
  const now = visibleEnd(buffer, state.log, rows);
  const lines = by === 'page.up' ? -rows : by === 'page.down' ? rows : by;
  const wanted = lines === 'first' ? buffer.first + rows : lines === 'last' ? last : now + lines;
  const least = Math.min(last, buffer.first + rows);
  const end = wanted >= last ? null : Math.max(least, wanted);
  ui.set({ ...state, log: { ...state.log, end, moment: null } });
}

/** Shows the next match above or below the one that was shown last; the first search begins at the newest line. */
export function findMatch(console: Console, direction: 'older' | 'newer', size: Size): void {
  const { fleet, ui } = console;
  const buffer = fleet.store.get().log?.buffer;
  const state = ui.get();
  if (buffer === undefined) return;
  const { search, match } = state.log;
  if (search === '') return say(console, 'There is no search yet: / starts one.');
  const found = findLines(buffer, search);
  const next =
    direction === 'older'
      ? found.findLast((number) => match === null || number < match)
      : found.find((number) => match !== null && number > match);
  if (next === undefined) {
    return say(console, found.length === 0 ? `Nothing here contains "${search}".` : `No ${direction} match.`);
  }
  // In the middle of the page, so that what led to it and what followed are in view.
  const end = Math.min(endOf(buffer), next + 1 + Math.floor(logRows(size) / 2));
  ui.set({ ...state, log: { ...state.log, match: next, end, moment: null } });
}
