import { keyFor } from '../../keys/places.ts';
import { endOf, findLines, shownLines } from '../../store/logs/log-buffer.ts';
import type { Move } from '../../store/view/cursor.ts';
import { type Console, type Size, showNotice } from '../console.ts';
import { logRows, visibleEnd } from './log-lines.ts';

/** Scrolls the open log. At the end, the log follows new lines again. */
export function scrollLog({ fleet, ui }: Console, by: Move | 'page.up' | 'page.down', size: Size): void {
  const buffer = fleet.store.get().log?.buffer;
  const state = ui.get();
  if (buffer === undefined) return;
  const shown = shownLines(buffer, state.log.level);
  const rows = logRows(size);
  const before = visibleEnd(buffer, state.log, rows);
  const now = shown.filter((number) => number < before).length;
  const lines = by === 'page.up' ? -rows : by === 'page.down' ? rows : by;
  const wanted = lines === 'first' ? rows : lines === 'last' ? shown.length : now + lines;
  const count = Math.max(Math.min(shown.length, rows), wanted);
  const end = count >= shown.length ? null : (shown[count - 1] ?? 0) + 1;
  ui.set({ ...state, log: { ...state.log, end, moment: null } });
}

/** Shows the next match above or below the current one. The first search starts at the newest line. */
export function findMatch(console: Console, direction: 'older' | 'newer', size: Size): void {
  const { fleet, ui } = console;
  const buffer = fleet.store.get().log?.buffer;
  const state = ui.get();
  if (buffer === undefined) return;
  const { search, match, level } = state.log;
  if (search === '') return showNotice(console, `No search text. ${keyFor('search')} starts a search.`);
  const found = findLines(buffer, search, level);
  const next =
    direction === 'older'
      ? found.findLast((number) => match === null || number < match)
      : found.find((number) => match !== null && number > match);
  if (next === undefined) {
    return showNotice(
      console,
      found.length === 0 ? `No line contains "${search}".` : `No ${direction} match.`,
    );
  }
  // In the middle of the page, so that the lines before and after it are visible.
  const end = Math.min(endOf(buffer), next + 1 + Math.floor(logRows(size) / 2));
  ui.set({ ...state, log: { ...state.log, match: next, end, moment: null } });
}
