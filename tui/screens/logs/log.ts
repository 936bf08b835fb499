import { COPY_KEYS } from '../../keys/bindings.ts';
import type { Command } from '../../keys/commands.ts';
import { type CopyChoice, copyChoices } from '../../store/copy/copy-choice.ts';
import { endOf, LEVELS, logText, shownLines } from '../../store/logs/log-buffer.ts';
import type { LogView, UiState } from '../../store/view/ui-state.ts';
import type { Console, ConsoleState, Size } from '../console.ts';
import { findMatch } from './scroll-log.ts';

/** Runs a command of a log. @returns false for other commands */
export function runInLog(console: Console, command: Command, size: Size): boolean {
  const { ui, fleet } = console;
  const { log } = ui.get();
  const see = (part: Partial<LogView>) => change(console, { log: { ...log, ...part } });
  switch (command) {
    case 'search':
      change(console, { prompt: { kind: 'search', text: '', before: log.search } });
      return true;
    case 'search.older':
      findMatch(console, 'older', size);
      return true;
    case 'search.newer':
      findMatch(console, 'newer', size);
      return true;
    case 'log.follow': {
      const buffer = fleet.store.get().log?.buffer;
      const follows = log.end === null && log.moment === null;
      see({ end: follows && buffer !== undefined ? endOf(buffer) : null, moment: null });
      return true;
    }
    case 'log.level': {
      const level = LEVELS[(LEVELS.indexOf(log.level) + 1) % LEVELS.length] ?? 'all';
      see({ level, match: null });
      return true;
    }
    case 'log.wrap':
      see({ wrap: !log.wrap });
      return true;
    default:
      return false;
  }
}

/** The match of the search, else the last visible line. */
export function logCopies({ fleet, ui }: ConsoleState): CopyChoice[] {
  if (fleet.log === null) return [];
  const { buffer } = fleet.log;
  const number =
    ui.log.match ?? shownLines(buffer, ui.log.level).findLast((one) => one < (ui.log.end ?? endOf(buffer)));
  const line = number === undefined ? undefined : buffer.lines[number - buffer.first];
  return copyChoices([
    COPY_KEYS.line,
    ui.log.match === null ? 'the last line' : 'the matching line',
    line?.text,
  ]);
}

/** All loaded lines, as text. */
export function plainLog({ fleet, ui }: ConsoleState): string {
  return fleet.log === null ? '' : logText(fleet.log.buffer, ui.log.level, fleet.log.names.length > 1);
}

/** @returns false if there is no search */
export function clearSearch(console: Console): boolean {
  const { log } = console.ui.get();
  if (log.search === '') return false;
  change(console, { log: { ...log, search: '', match: null } });
  return true;
}

function change({ ui }: Console, part: Partial<UiState>): void {
  ui.update((state) => ({ ...state, ...part }));
}
