import type { Command } from '../../keys/commands.ts';
import { keyFor } from '../../keys/places.ts';
import { plural } from '../../store/text/format.ts';
import { LOG_CHOICES, type Location, type LogChoice } from '../../store/view/location.ts';
import { namesOf } from '../../store/view/rows.ts';
import { filterOf } from '../../store/view/ui-state.ts';
import { paintLine, type Span } from '../../widgets/line.ts';
import { type TabStrip, tabSpans } from '../../widgets/tabs.ts';
import type { Console, ConsoleState, Size } from '../console.ts';
import { switchTo } from '../input/navigate.ts';
import type { Screen } from '../screen.ts';
import { clearSearch, logCopies, plainLog, runInLog } from './log.ts';
import { logLines } from './log-lines.ts';
import { scrollLog } from './scroll-log.ts';

/** Limits the work of the daemon, which follows each log for this console. */
const MAX_LOGS = 50;

/** The logs of several instances, merged by time. */
export const fleetLogsScreen: Screen = {
  place: () => 'fleet-logs',
  lines(view) {
    const { names, total } = followedLogs(view);
    const head = paintLine(
      view.theme,
      headSpans(choiceOf(view.ui.at), names.length, total),
      view.size.columns,
    );
    return [head, ...(names.length === 0 ? [] : logLines(view, view.fleet.log))];
  },
  tabs: ({ ui }) => ({ row: 0, strip: stripOf(choiceOf(ui.at)), turn: switchToChoice }),
  needs: (state) => ({ logs: followedLogs(state).names }),
  copies: logCopies,
  plain: plainLog,
  move(console, by, size) {
    scrollLog(console, by, size);
    return true;
  },
  run,
  clear: clearSearch,
};

function choiceOf(at: Location): LogChoice {
  return at.screen === 'fleet-logs' ? at.choice : 'all';
}

/** Sorted by name, so that the choice does not change with each measurement. */
function followedLogs({ fleet, ui, rows }: ConsoleState): { names: readonly string[]; total: number } {
  const chosen: Readonly<Record<LogChoice, () => readonly string[]>> = {
    all: () => [...fleet.instances.keys()],
    marked: () => [...ui.marks].filter((name) => fleet.instances.has(name)),
    filtered: () => namesOf(rows(fleet, { filter: filterOf(ui, 'instances'), sort: ui.sort })),
  };
  const all = chosen[choiceOf(ui.at)]().toSorted();
  return { names: all.slice(0, MAX_LOGS), total: all.length };
}

function headSpans(choice: LogChoice, shown: number, total: number): Span[] {
  const empty: Readonly<Record<LogChoice, string>> = {
    all: 'no instances yet',
    marked: `no instance is marked: mark some with ${keyFor('mark')} on the screen Instances`,
    filtered: 'no instance matches the filter of the screen Instances',
  };
  const count: Span =
    total === 0
      ? ['warn', ` ${empty[choice]}`]
      : total > shown
        ? ['warn', ` the first ${shown} of ${plural(total, 'instance')}: mark or filter to choose others`]
        : ['muted', ` ${plural(total, 'instance')}`];
  return [...tabSpans(stripOf(choice)), count];
}

function run(console: Console, command: Command, size: Size): boolean {
  if (command !== 'log.choose') return runInLog(console, command, size);
  const { at } = console.ui.get();
  return switchToChoice(console, (LOG_CHOICES.indexOf(choiceOf(at)) + 1) % LOG_CHOICES.length);
}

function switchToChoice(console: Console, index: number): true {
  switchTo(console, { screen: 'fleet-logs', choice: LOG_CHOICES[index] ?? 'all' });
  return true;
}

function stripOf(choice: LogChoice): TabStrip {
  return { before: [['plain', ' ']], titles: LOG_CHOICES, chosen: LOG_CHOICES.indexOf(choice) };
}
