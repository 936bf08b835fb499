import type { DatabaseBackups, ListedBackup } from '../../../shared/api/backups.ts';
import { COPY_KEYS } from '../../keys/bindings.ts';
import type { Command } from '../../keys/commands.ts';
import { keyFor } from '../../keys/places.ts';
import { type CopyChoice, copyChoices } from '../../store/copy/copy-choice.ts';
import { type PageRequest, pageOf } from '../../store/pages/pages.ts';
import { byteSize, bytes, longDuration, plural, since, stamp } from '../../store/text/format.ts';
import { cursorIndex } from '../../store/view/cursor.ts';
import { cursorOf } from '../../store/view/ui-state.ts';
import type { Token } from '../../theme.ts';
import { paintLine, type Span } from '../../widgets/line.ts';
import { type Column, drawTable } from '../../widgets/table.ts';
import { joinFacts, wrapWords } from '../../widgets/text.ts';
import { type Console, type ConsoleState, type Size, stateOf, type View } from '../console.ts';
import { loadError, loadingSpan } from '../frame/hints.ts';
import { withDetail } from '../frame/list-detail.ts';
import type { List } from '../screen.ts';
import { agoText, failedDrillSpans, proofFacts, stateFacts, WATCH_MS } from './backup-text.ts';
import { isReplicated, offerRestore, offerRestoreToTime, startBackup, startDrill } from './restoring.ts';

/** The tab Backups of an instance: what is known about its backups, and those on the target. */

/** Most that the list shows. */
const MOST_SHOWN = 500;
const DETAIL_ROWS = 2;
/** The list of the replica is read from the target. */
const TIMES_MS = 60_000;

/** The list is read from the target, so only when the database has another last backup, or after an action. */
export function databaseBackupsRequests({ fleet }: Pick<ConsoleState, 'fleet'>, name: string): PageRequest[] {
  const times: PageRequest = {
    slot: 'replicaTimes',
    key: name,
    intervalMs: TIMES_MS,
    load: ({ replicas }) => replicas.times(name),
  };
  const state = pageOf(fleet, 'backupState', name)?.value ?? null;
  const lastAction = fleet.actions.findLast(({ ended_at }) => ended_at !== null)?.id ?? 0;
  return [
    {
      slot: 'backupState',
      key: name,
      version: `${lastAction} ${Math.floor(fleet.now / WATCH_MS)}`,
      load: async ({ backups }) => (await backups.list({ database: name })).items[0] ?? null,
    },
    {
      slot: 'backups',
      key: name,
      version: `${lastAction} ${state?.last?.id ?? ''}`,
      load: async ({ backups }) => (await backups.ofDatabase(name, { per_page: MOST_SHOWN })).items,
    },
    ...(isReplicated(fleet, name) ? [times] : []),
  ];
}

function listId(name: string): string {
  return `backups:${name}`;
}

function backupsOf({ fleet }: Pick<ConsoleState, 'fleet'>, name: string): readonly ListedBackup[] {
  return pageOf(fleet, 'backups', name)?.value ?? [];
}

function chosenOf(state: Pick<ConsoleState, 'fleet' | 'ui'>, name: string): ListedBackup | undefined {
  const all = backupsOf(state, name);
  const keys = all.map(({ id }) => id);
  return all[cursorIndex(keys, cursorOf(state.ui, listId(name)))];
}

export function databaseBackupsList(state: ConsoleState, name: string): List {
  return {
    id: listId(name),
    keys: backupsOf(state, name).map(({ id }) => id),
    from: () => 3,
    room: listRows,
  };
}

/** Rows without the tabs, the state, the heading and the details. */
function listRows({ rows }: Size): number {
  return Math.max(1, rows - 3 - DETAIL_ROWS);
}

export function databaseBackupsCopies(state: ConsoleState, name: string): CopyChoice[] {
  const chosen = chosenOf(state, name);
  return copyChoices([COPY_KEYS.backup, 'the id of the backup', chosen?.id]);
}

export function runInBackups(console: Console, command: Command, name: string): boolean {
  switch (command) {
    case 'backup.create':
      startBackup(console, name);
      return true;
    case 'backup.drill':
      startDrill(console, name);
      return true;
    case 'backup.restore':
      offerRestore(console, name, chosenOf(stateOf(console), name));
      return true;
    case 'backup.restoreTime':
      offerRestoreToTime(console, name);
      return true;
    default:
      return false;
  }
}

/** State, heading, rows and details. */
export function databaseBackupsLines(view: View, name: string): string[] {
  const { fleet, ui, theme, size } = view;
  const page = pageOf(fleet, 'backups', name);
  const state = pageOf(fleet, 'backupState', name)?.value ?? null;
  const head = paintLine(theme, headSpans(view, state), size.columns);
  if (page === null || page.value === null) {
    const [token, words] = loadingSpan(page, 'reading the list from the target');
    return [head, '', ...wrapWords(words, size.columns - 2).map((text) => theme.paint(token, ` ${text}`))];
  }
  const columns: Column<ListedBackup>[] = [
    { title: 'TIME', width: 11, text: ({ created_at: at }) => stamp(at, fleet.now) },
    { title: 'AGE', width: 5, align: 'right', text: ({ created_at: at }) => agoText(at, fleet.now) },
    {
      title: 'SIZE',
      width: 6,
      align: 'right',
      text: (one) => (one.bytes === 0 ? '–' : bytes(one.bytes)),
    },
    { title: 'STORED', width: 6, align: 'right', text: (one) => bytes(one.stored_bytes) },
    {
      title: 'STATE',
      width: 14,
      text: (one) => backupFact(one, state)[1],
      tone: (one) => backupFact(one, state)[0],
    },
    { title: 'BACKUP', width: 0, text: ({ id }) => id, tone: () => 'muted' },
  ];
  const table = drawTable(
    theme,
    {
      columns,
      rows: page.value,
      keyOf: ({ id }) => id,
      cursor: cursorOf(ui, listId(name)),
      empty: `No backups yet. ${keyFor('backup.create')} makes one now.`,
    },
    size.columns,
    listRows(size),
  );
  const detail: readonly Span[] =
    page.error === null ? detailOf(view, name, state) : [['bad', ` ${loadError(page.error)}`]];
  return [head, ...withDetail(view, table, detail)];
}

function headSpans(view: View, state: DatabaseBackups | null): Span[] {
  const { fleet, size } = view;
  const { now } = fleet;
  if (state === null) return [['busy', ' ◌ loading']];
  const [token, words] = stateFacts(state, now);
  const { confirmed_at: at, database } = state;
  const listed = pageOf(fleet, 'backups', database)?.value ?? null;
  const facts = [
    ...words,
    ...(at === null ? [] : [`backed up ${longDuration(since(at, now))} ago`]),
    ...(listed === null ? [] : [totalsText(listed)]),
    ...proofFacts(state, now),
  ];
  return [[token, ` ${joinFacts(facts, size.columns - 2)}`]];
}

function totalsText(listed: readonly ListedBackup[]): string {
  const stored = listed.reduce((sum, one) => sum + one.stored_bytes, 0);
  return `${plural(listed.length, 'backup')}, ${byteSize(stored)} on the target`;
}

/** Whether a backup can be restored, and whether a drill has proven it. */
function backupFact({ id, damaged }: ListedBackup, state: DatabaseBackups | null): readonly [Token, string] {
  if (damaged) return ['bad', '✗ damaged'];
  if (state?.drill?.backup === id && state.drill.problem !== null) return ['bad', '✗ drill failed'];
  return ['good', state?.proven?.backup === id ? '● proved' : '● ok'];
}

/** Why the last attempt failed, what a damaged backup is good for, or what the keys do. */
function detailOf(view: View, name: string, state: DatabaseBackups | null): Span[] {
  const failure = state?.failure ?? null;
  if (failure !== null)
    return [
      ['bad', ` ${failure.message}`],
      ['plain', ` → ${failure.remedy}`],
    ];
  const chosen = chosenOf(view, name);
  const from = pageOf(view.fleet, 'replicaTimes', name)?.value?.from ?? null;
  const times =
    from === null
      ? null
      : `${keyFor('backup.restoreTime')} restores a time since ${stamp(from, view.fleet.now)}`;
  if (chosen === undefined) return times === null ? [] : [['muted', ` ${times}`]];
  if (chosen.damaged)
    return [
      ['bad', ' This backup cannot be restored: a part of it is missing or damaged'],
      ['plain', ` → 'fathomd backups verify ${name} ${chosen.id}' names the parts; restore another one`],
    ];
  const drill = state?.drill ?? null;
  if (drill?.backup === chosen.id && drill.problem !== null) return failedDrillSpans(drill.problem);
  const proven = state?.proven?.backup === chosen.id ? state.proven : null;
  const facts = [
    chosen.id,
    proven && `proved by a drill ${longDuration(since(proven.at, view.fleet.now))} ago`,
    `${keyFor('backup.restore')} restores it`,
    times,
  ];
  return [['muted', ` ${facts.filter((fact) => fact !== null).join(' · ')}`]];
}
