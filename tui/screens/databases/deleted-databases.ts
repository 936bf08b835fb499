import type { DaemonStatus } from '../../../shared/api/daemon.ts';
import type { DeletedDatabase } from '../../../shared/api/trash.ts';
import { COPY_KEYS } from '../../keys/bindings.ts';
import { keyFor } from '../../keys/places.ts';
import { type CopyChoice, copyChoices, rowText } from '../../store/copy/copy-choice.ts';
import { type FleetState, lastEndedAction } from '../../store/fleet/fleet-state.ts';
import { olderStatus, readLatest } from '../../store/pages/latest.ts';
import { type DataNeeds, pageOf } from '../../store/pages/pages.ts';
import { plural, stamp } from '../../store/text/format.ts';
import { cursorIndex } from '../../store/view/cursor.ts';
import { wordFilter } from '../../store/view/filter.ts';
import { topLocation } from '../../store/view/location.ts';
import { cursorOf, filterOf, limitOf } from '../../store/view/ui-state.ts';
import type { Token } from '../../theme.ts';
import { paintSplit, type Span } from '../../widgets/line.ts';
import { type Column, drawTable, widthFor } from '../../widgets/table.ts';
import { type Console, type ConsoleState, type Size, showNotice, stateOf, type View } from '../console.ts';
import { noMatchText, positionSpans } from '../events/older-items.ts';
import { loadError, loadingSpan } from '../frame/hints.ts';
import { detailRows, withDetail } from '../frame/list-detail.ts';
import { navigateTo, openSpot } from '../input/navigate.ts';
import { denialReason, startAction } from '../input/start-action.ts';
import type { List, OlderItems, Screen } from '../screen.ts';

const LIST = 'deleted-databases';

/** Milliseconds after which the list is loaded again: others delete databases, and erasures end. */
const RELOAD_MS = 5_000;

type Shown = Pick<ConsoleState, 'fleet' | 'ui'>;

/** Deleted databases, until they and their backups are erased. */
export const deletedDatabasesScreen: Screen = {
  place: () => 'deleted-databases',
  lines: deletedLines,
  list: listOf,
  needs: deletedNeeds,
  describe(state) {
    const name = chosenOf(state)?.name;
    return name === undefined ? null : { kind: 'deleted-database', name };
  },
  command: () => 'databases list --deleted',
  copies: copiesOf,
  run(console, command) {
    const chosen = chosenOf(stateOf(console));
    switch (command) {
      case 'open':
        if (chosen !== undefined)
          openSpot(console, { screen: 'describe', thing: { kind: 'deleted-database', name: chosen.name } });
        return true;
      case 'databases.deleted':
        navigateTo(console, topLocation('databases'));
        return true;
      case 'database.undelete':
        offerUndeletion(console, chosen);
        return true;
      default:
        return false;
    }
  },
};

export function deletedNeeds({ fleet, ui }: Shown): DataNeeds {
  const limit = limitOf(ui, LIST);
  return {
    pages: [
      {
        slot: 'trash',
        key: '',
        version: `${limit} ${lastEndedAction(fleet)} ${Math.floor(fleet.now / RELOAD_MS)}`,
        load: (to) =>
          readLatest(
            limit,
            ({ name }) => name,
            (page) => to.trash.list(page),
          ),
      },
    ],
  };
}

/** The database from the last loaded page. */
export function deletedDatabaseOf(fleet: FleetState, name: string): DeletedDatabase | undefined {
  return allOf(fleet).find((one) => one.name === name);
}

/** Asks before a database comes back. Shows why if it cannot. */
function offerUndeletion(console: Console, chosen: DeletedDatabase | undefined): void {
  if (chosen === undefined) return showNotice(console, 'No deleted database is selected.');
  const { name, state } = chosen;
  const why =
    state === 'deleted'
      ? denialReason(console, 'databases.delete')
      : `Its erasure has begun: ${name} cannot come back.`;
  if (why !== null) return showNotice(console, why);
  startAction(console, { verb: 'undelete', names: [name] });
}

function allOf(fleet: FleetState): readonly DeletedDatabase[] {
  return pageOf(fleet, 'trash', '')?.value?.items ?? [];
}

function rowsOf({ fleet, ui }: Shown): readonly DeletedDatabase[] {
  const matches = wordFilter(filterOf(ui, LIST));
  return matches === null ? allOf(fleet) : allOf(fleet).filter((one) => matches(cellsOf(one).join('\n')));
}

function keysOf(state: Shown): string[] {
  return rowsOf(state).map(({ name }) => name);
}

function chosenOf(state: Shown): DeletedDatabase | undefined {
  return rowsOf(state)[cursorIndex(keysOf(state), cursorOf(state.ui, LIST))];
}

/** The texts of a row, for the filter and the clipboard. */
function cellsOf(one: DeletedDatabase): (string | null)[] {
  return [one.name, one.email, one.deleted_at, one.erase_at, stateText(one)[1]];
}

function listOf(state: ConsoleState): List {
  return {
    id: LIST,
    keys: keysOf(state),
    from: () => 2,
    room: listRows,
    filterHint: 'name, owner, date, state',
    older: olderItems(state),
  };
}

function olderItems({ fleet, ui }: Shown): OlderItems {
  const page = pageOf(fleet, 'trash', '');
  return {
    id: LIST,
    error: page?.error ?? null,
    status: olderStatus(page ?? { value: null }, limitOf(ui, LIST)),
  };
}

/** Rows without the summary, the heading and the details. */
function listRows(size: Size): number {
  return Math.max(1, size.rows - 2 - detailRows(size));
}

function copiesOf(state: ConsoleState): CopyChoice[] {
  const chosen = chosenOf(state);
  if (chosen === undefined) return [];
  const { name, email, problem } = chosen;
  return copyChoices(
    [COPY_KEYS.name, 'the name', name],
    [COPY_KEYS.owner, 'the owner', email],
    [COPY_KEYS.reason, 'the reason', problem && `${problem.message}; ${problem.remedy}`],
    [COPY_KEYS.row, 'the row', rowText(cellsOf(chosen))],
    [COPY_KEYS.json, 'all fields as JSON', JSON.stringify(chosen, null, 2)],
  );
}

/** The state, with the reason of an erasure that has not ended. */
function stateText({ state, problem }: DeletedDatabase): readonly [Token, string] {
  if (state === 'deleted')
    return problem === null ? ['plain', '● in the trash'] : ['warn', '▲ in the trash, last backup failed'];
  const word = state.replace('_', ' ');
  return problem === null ? ['busy', `◐ ${word}`] : ['bad', `✗ ${word}: ${problem.message}`];
}

function deletedLines(view: View): string[] {
  const { fleet, ui, theme, size } = view;
  const page = pageOf(fleet, 'trash', '');
  if (page === null || page.value === null) {
    const [token, words] = loadingSpan(page, 'loading the deleted databases');
    return ['', '', theme.paint(token, ` ${words}`)];
  }
  const rows = rowsOf(view);
  const filter = filterOf(ui, LIST);
  const right: Span[] = [
    ...(filter === '' ? [] : [['warn', `/${filter}  `] as Span]),
    ...positionSpans(cursorIndex(keysOf(view), cursorOf(ui, LIST)), rows.length, olderItems(view)),
  ];
  const head = paintSplit(
    theme,
    [
      ['strong', ` ${plural(rows.length, 'deleted database')}`],
      ['muted', `  ${keyFor('databases.deleted')} shows the others`],
    ],
    right,
    size.columns,
  );
  const table = drawTable(
    theme,
    {
      columns: columnsOf(view, rows),
      rows,
      keyOf: ({ name }) => name,
      cursor: cursorOf(ui, LIST),
      empty: filter === '' ? emptyText(fleet) : noMatchText(olderItems(view)),
    },
    size.columns,
    listRows(size),
  );
  const detail: Span[] =
    page.error === null ? detailOf(chosenOf(view), fleet.now) : [['bad', ` ${loadError(page.error)}`]];
  return [head, ...withDetail(view, table, detail)];
}

function columnsOf({ size }: View, rows: readonly DeletedDatabase[]): Column<DeletedDatabase>[] {
  const widest = widthFor(
    rows.map(({ name }) => name),
    12,
    40,
  );
  const owner: Column<DeletedDatabase> = {
    title: 'OWNER',
    width: size.columns >= 150 ? 32 : 24,
    text: ({ email }) => email ?? '–',
  };
  return [
    { title: 'NAME', width: Math.min(size.columns < 90 ? 26 : 40, widest), text: ({ name }) => name },
    ...(size.columns >= 100 ? [owner] : []),
    { title: 'DELETED', width: 10, text: ({ deleted_at: at }) => at.slice(0, 10) },
    { title: 'ERASED ON', width: 10, text: ({ erase_at: at }) => at?.slice(0, 10) ?? '–' },
    { title: 'STATE', width: 0, text: (one) => stateText(one)[1], tone: (one) => stateText(one)[0] },
  ];
}

function emptyText({ status }: FleetState): string {
  // A daemon of an earlier release has no trash.
  const { trash }: Partial<DaemonStatus> = status ?? {};
  return trash?.days === 0
    ? 'No deleted databases. With DATABASE_TRASH_DAYS=0, they are erased at once.'
    : 'No deleted databases.';
}

/** Why the last backup or the erasure failed, and what to do; else what comes back. */
function detailOf(one: DeletedDatabase | undefined, now: number): Span[] {
  if (one === undefined) return [];
  const { email, account, problem, deleted_at: at, last_backup_at: backup, state } = one;
  if (problem !== null)
    return [
      [state === 'deleted' ? 'warn' : 'bad', ` ${problem.message}`],
      ['plain', ` → ${problem.remedy}`],
    ];
  const facts = [
    email,
    account ? 'deleted with its account' : null,
    `deleted ${stamp(at, now)}`,
    backup === null ? 'no backup' : `last backup ${stamp(backup, now)}`,
  ];
  return [['muted', ` ${facts.filter((fact) => fact !== null).join(' · ')}`]];
}
