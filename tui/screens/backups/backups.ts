import type { BackupStatus } from '../../../shared/api/backup-status.ts';
import type { DatabaseBackups } from '../../../shared/api/backups.ts';
import { COPY_KEYS } from '../../keys/bindings.ts';
import { keyFor } from '../../keys/places.ts';
import { type CopyChoice, copyChoices, rowText } from '../../store/copy/copy-choice.ts';
import { olderStatus, readLatest } from '../../store/pages/latest.ts';
import { type DataNeeds, pageOf } from '../../store/pages/pages.ts';
import { byteSize, bytes, longDuration, plural, since } from '../../store/text/format.ts';
import { cursorIndex } from '../../store/view/cursor.ts';
import { wordFilter } from '../../store/view/filter.ts';
import { cursorOf, filterOf, limitOf } from '../../store/view/ui-state.ts';
import { paintLine, paintSplit, type Span, widthOfSpans } from '../../widgets/line.ts';
import { type Column, drawTable, widthFor } from '../../widgets/table.ts';
import { fit, joinFacts } from '../../widgets/text.ts';
import { type ConsoleState, type Size, stateOf, type View } from '../console.ts';
import { noMatchText, positionSpans } from '../events/older-items.ts';
import { loadError, loadingSpan } from '../frame/hints.ts';
import { detailRows, withDetail } from '../frame/list-detail.ts';
import { openSpot } from '../input/navigate.ts';
import type { List, OlderItems, Screen } from '../screen.ts';
import {
  agoText,
  failedDrillSpans,
  leftMs,
  proofFacts,
  proofText,
  stateFacts,
  WATCH_MS,
} from './backup-text.ts';
import { startBackup, startDrill } from './restoring.ts';

const LIST = 'backups';
const LABEL = 10;
const SUMMARY_ROWS = 5;
const MAX_NAME = 40;
const ID_WIDTH = 28;
/** The cursor, age, size and proof, and the last column. */
const OTHER_COLUMNS = 3 + 1 + 5 + 1 + 6 + 1 + 6 + 1 + 1;

/** The backups of the fleet: the target, what runs and what is wrong, and each database, failed ones first. */
export const backupsScreen: Screen = {
  place: () => 'backups',
  lines: backupsLines,
  list: listOf,
  needs: needsOf,
  instance: (state) => chosenOf(state)?.database ?? null,
  describe(state) {
    const name = chosenOf(state)?.database;
    return name === undefined ? null : { kind: 'instance', name };
  },
  command: () => 'backups list',
  copies: copiesOf,
  run(console, command) {
    const name = chosenOf(stateOf(console))?.database ?? null;
    if (command === 'open') {
      if (name !== null) openSpot(console, { screen: 'instance', name, tab: 'backups' });
      return true;
    }
    if (command === 'backup.create') startBackup(console, name);
    else if (command === 'backup.drill') startDrill(console, name);
    else return false;
    return true;
  },
};

function needsOf({ fleet, ui }: Pick<ConsoleState, 'fleet' | 'ui'>): DataNeeds {
  const limit = limitOf(ui, LIST);
  return {
    pages: [
      {
        slot: 'backupFleet',
        key: '',
        version: `${limit} ${Math.floor(fleet.now / WATCH_MS)}`,
        load: (to) =>
          readLatest(
            limit,
            ({ database }) => database,
            (page) => to.backups.list({ ...page, sort: 'problem' }),
          ),
      },
    ],
  };
}

function rowsOf({ fleet, ui }: Pick<ConsoleState, 'fleet' | 'ui'>): readonly DatabaseBackups[] {
  const all = pageOf(fleet, 'backupFleet', '')?.value?.items ?? [];
  const matches = wordFilter(filterOf(ui, LIST));
  if (matches === null) return all;
  return all.filter((one) => matches(`${one.database} ${stateFacts(one, fleet.now)[1].join(' ')}`));
}

function keysOf(state: Pick<ConsoleState, 'fleet' | 'ui'>): string[] {
  return rowsOf(state).map(({ database }) => database);
}

function chosenOf(state: Pick<ConsoleState, 'fleet' | 'ui'>): DatabaseBackups | undefined {
  return rowsOf(state)[cursorIndex(keysOf(state), cursorOf(state.ui, LIST))];
}

function listOf(state: ConsoleState): List {
  return {
    id: LIST,
    keys: keysOf(state),
    from: () => SUMMARY_ROWS + 1,
    room: listRows,
    filterHint: 'name, state',
    older: olderItems(state),
  };
}

function olderItems({ fleet, ui }: Pick<ConsoleState, 'fleet' | 'ui'>): OlderItems {
  const page = pageOf(fleet, 'backupFleet', '');
  return {
    id: LIST,
    error: page?.error ?? null,
    status: olderStatus(page ?? { value: null }, limitOf(ui, LIST)),
  };
}

/** Rows without the summary, the heading and the details. */
function listRows(size: Size): number {
  return Math.max(1, size.rows - SUMMARY_ROWS - 1 - detailRows(size));
}

function copiesOf(state: ConsoleState): CopyChoice[] {
  const chosen = chosenOf(state);
  const target = state.fleet.status?.backups.target;
  if (chosen === undefined) return copyChoices([COPY_KEYS.target, 'the target', target]);
  const { database, failure, last } = chosen;
  return copyChoices(
    [COPY_KEYS.name, 'the name', database],
    [COPY_KEYS.backup, 'the id of the last backup', last?.id],
    [COPY_KEYS.reason, 'the reason', failure && `${failure.message}; ${failure.remedy}`],
    [COPY_KEYS.target, 'the target', target],
    [
      COPY_KEYS.row,
      'the row',
      rowText([database, last?.id ?? null, stateFacts(chosen, state.fleet.now)[1].join(' · ')]),
    ],
    [COPY_KEYS.json, 'all fields as JSON', JSON.stringify(chosen, null, 2)],
  );
}

function backupsLines(view: View): string[] {
  const { fleet, ui, theme, size } = view;
  const page = pageOf(fleet, 'backupFleet', '');
  // The daemon of an earlier release does not report them.
  const status = (fleet.status as { backups?: BackupStatus } | null)?.backups ?? null;
  const head = status === null ? Array<string>(SUMMARY_ROWS).fill('') : summaryLines(view, status);
  if (page === null || page.value === null) {
    const [token, words] = loadingSpan(page, 'loading the backups');
    return [...head, '', theme.paint(token, ` ${words}`)];
  }
  const rows = rowsOf(view);
  const name = widthFor(
    rows.map(({ database }) => database),
    12,
    MAX_NAME,
  );
  const isWide = size.columns >= 110;
  const room = size.columns - name - OTHER_COLUMNS - (isWide ? ID_WIDTH + 1 : 0);
  const columns: Column<DatabaseBackups>[] = [
    { title: 'DATABASE', width: name, text: ({ database }) => database },
    {
      title: 'AGE',
      width: 5,
      align: 'right',
      text: ({ confirmed_at: at }) => agoText(at, fleet.now),
      tone: ({ late }) => (late ? 'warn' : 'plain'),
    },
    { title: 'SIZE', width: 6, align: 'right', text: ({ last }) => (last ? bytes(last.bytes) : '–') },
    {
      title: 'PROVED',
      width: 6,
      align: 'right',
      text: (one) => proofText(one, fleet.now)[1],
      tone: (one) => proofText(one, fleet.now)[0],
    },
    {
      title: 'STATE',
      width: 0,
      text: (one) => joinFacts(stateFacts(one, fleet.now)[1], room),
      tone: (one) => stateFacts(one, fleet.now)[0],
    },
  ];
  if (isWide)
    columns.splice(4, 0, {
      title: 'LAST BACKUP',
      width: ID_WIDTH,
      text: ({ last }) => last?.id ?? '–',
      tone: () => 'muted',
    });
  const empty = filterOf(ui, LIST) === '' ? 'No databases yet.' : noMatchText(olderItems(view));
  const table = drawTable(
    theme,
    { columns, rows, keyOf: ({ database }) => database, cursor: cursorOf(ui, LIST), empty },
    size.columns,
    listRows(size),
  );
  const detail: readonly Span[] =
    page.error === null ? detailOf(chosenOf(view), fleet.now) : [['bad', ` ${loadError(page.error)}`]];
  return [...head, ...withDetail(view, table, detail)];
}

/** What is wrong with the selected database, and what to do; else its last backup. */
function detailOf(one: DatabaseBackups | undefined, now: number): Span[] {
  if (one === undefined) return [];
  const { failure, late, last, drill } = one;
  if (failure !== null)
    return [
      ['bad', ` ${failure.message}`],
      ['plain', ` → ${failure.remedy} · for ${longDuration(since(failure.since, now))}`],
    ];
  if (late)
    return [
      ['warn', ' No recent backup'],
      ['plain', ` → ${keyFor('backup.create')} backs it up now, or shows why it cannot`],
    ];
  if (drill && drill.problem !== null) return failedDrillSpans(drill.problem);
  if (last === null) return [['muted', ` No backup yet. ${keyFor('backup.create')} makes one now.`]];
  return [
    [
      'muted',
      ` ${last.id} · ${byteSize(last.bytes)}, of which ${byteSize(last.stored_bytes)} were new · made ${longDuration(since(last.created_at, now))} ago · ${proofFacts(one, now).join(' · ')}`,
    ],
  ];
}

function summaryLines(view: View, status: BackupStatus): string[] {
  const { theme, size, fleet } = view;
  const room = size.columns - LABEL - 2;
  const line = (label: string, token: Span[0], facts: readonly string[]) =>
    paintLine(
      theme,
      [
        ['title', ` ${fit(label, LABEL)}`],
        [token, joinFacts(facts, room)],
      ],
      size.columns,
    );
  const {
    late,
    failures,
    running,
    databases,
    unusable_keys: unusable,
    recovery_key: key,
    oldest_at: oldest,
  } = status;
  const failed = failures.reduce((sum, one) => sum + one.databases, 0);
  const next =
    status.next_at === null ? [] : [`next run in ${longDuration(leftMs(status.next_at, fleet.now))}`];
  return [
    line('Target', 'plain', status.target.split('?')),
    line('Schedule', 'plain', [status.schedule ?? 'off: backups are made on demand only', ...next]),
    line('Databases', failed + unusable.length > 0 ? 'bad' : late > 0 ? 'warn' : 'plain', [
      `${databases} with ${byteSize(status.bytes)}`,
      ...(failed > 0 ? [`${failed} failed`] : []),
      ...(late > 0 ? [`${late} late`] : []),
      ...(unusable.length > 0 ? [plural(unusable.length, 'unusable key')] : []),
      running === 0 ? 'none is backed up now' : `${running} backed up now`,
      ...(oldest === null ? [] : [`the oldest is ${longDuration(since(oldest, fleet.now))} old`]),
    ]),
    drillLine(view, status.drills, line),
    keyLine(view, key),
  ];
}

/** A daemon of an earlier release reports only databases that are overdue. */
function withoutProof({
  unproven_databases: overdue = 0,
  without_proof_databases: without = overdue,
}: Partial<BackupStatus['drills']>): number {
  return without;
}

/** When backups are proven, and how many databases have no proof. An earlier daemon reports no drills. */
function drillLine(
  { fleet }: View,
  drills: BackupStatus['drills'] | undefined,
  line: (label: string, token: Span[0], facts: readonly string[]) => string,
): string {
  if (drills === undefined) return '';
  const { failed_databases: failed, unproven_databases: overdue } = drills;
  const without = withoutProof(drills);
  const next =
    drills.next_at === null
      ? 'off: on demand only'
      : `next run in ${longDuration(leftMs(drills.next_at, fleet.now))}`;
  const last =
    drills.last_at === null
      ? 'none was made yet'
      : `last ${longDuration(since(drills.last_at, fleet.now))} ago`;
  return line('Drills', failed > 0 ? 'bad' : overdue > 0 ? 'warn' : 'plain', [
    ...(failed > 0 ? [`${failed} failed`] : []),
    ...(without > 0
      ? [`${plural(without, 'database')} without a proved backup`]
      : ['all backups are proved']),
    next,
    last,
  ]);
}

/** Whether there is a recovery key, and at the right the position in the list. */
function keyLine(view: View, key: BackupStatus['recovery_key']): string {
  const { theme, size, ui } = view;
  const filter = filterOf(ui, LIST);
  const keys = keysOf(view);
  const right: Span[] = [
    ...(filter === '' ? [] : [['warn', `/${filter}  `] as Span]),
    ...positionSpans(cursorIndex(keys, cursorOf(ui, LIST)), keys.length, olderItems(view)),
  ];
  const room = size.columns - LABEL - 3 - widthOfSpans(right);
  const [token, facts] = KEY_FACTS[String(key)] ?? ['muted', []];
  return paintSplit(
    theme,
    [
      ['title', ` ${fit('Recovery', LABEL)}`],
      [token, joinFacts(facts, room)],
    ],
    right,
    size.columns,
  );
}

const KEY_FACTS: Readonly<Record<string, readonly [Span[0], readonly string[]]>> = {
  true: ['good', ['● the recovery key is made', 'keep it outside of this host']],
  false: ['warn', ['▲ no recovery key', "'fathomd backups recovery-key' makes it"]],
  null: ['muted', ['not known yet whether there is a recovery key']],
};
