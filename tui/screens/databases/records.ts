import type { DatabaseRecord } from '../../../shared/api/databases.ts';
import { COPY_KEYS } from '../../keys/bindings.ts';
import { copyChoices } from '../../store/copy/copy-choice.ts';
import { type PageRequest, pageOf } from '../../store/pages/pages.ts';
import { plural } from '../../store/text/format.ts';
import { sanitise } from '../../store/text/sanitise.ts';
import { cursorIndex } from '../../store/view/cursor.ts';
import { wordFilter } from '../../store/view/filter.ts';
import type { Location } from '../../store/view/location.ts';
import { cursorOf, filterOf } from '../../store/view/ui-state.ts';
import { paintSplit, type Span } from '../../widgets/line.ts';
import { type Column, drawTable, widthFor } from '../../widgets/table.ts';
import { wrapWords } from '../../widgets/text.ts';
import { type Console, type ConsoleState, type Size, showNotice, stateOf, type View } from '../console.ts';
import { loadingSpan, NO_MATCH } from '../frame/hints.ts';
import { openSpot, switchTo } from '../input/navigate.ts';
import type { List, Screen } from '../screen.ts';

const PER_PAGE = 50;
const MAX_COLUMN_WIDTH = 30;

/** One page of the records of a collection. The daemon hides secret fields. */
export const recordsScreen: Screen = {
  place: () => 'records',
  lines: recordsLines,
  list: listOf,
  instance: ({ ui }) => spotOf(ui.at).name,
  describe(state) {
    const id = chosenId(state);
    return id === null ? null : { kind: 'record', ...placeOf(state.ui.at), id };
  },
  command({ ui }) {
    const { name, collection, page } = spotOf(ui.at);
    return `databases records ${name} ${collection} --page ${page}`;
  },
  copies(state) {
    const id = chosenId(state);
    const record = recordsOf(state).find((one) => keyOf(one) === id);
    return copyChoices(
      [COPY_KEYS.id, 'the id', id],
      [COPY_KEYS.json, 'the record as JSON', record && JSON.stringify(record, null, 2)],
    );
  },
  needs: ({ ui }) => ({ pages: [recordsRequest(placeOf(ui.at))] }),
  run(console, command) {
    switch (command) {
      case 'open': {
        const id = chosenId(stateOf(console));
        if (id === null) return true;
        openSpot(console, {
          screen: 'describe',
          thing: { kind: 'record', ...placeOf(console.ui.get().at), id },
        });
        return true;
      }
      case 'records.next':
        return turnPage(console, 1);
      case 'records.previous':
        return turnPage(console, -1);
      default:
        return false;
    }
  },
};

interface RecordsPlace {
  name: string;
  collection: string;
  page: number;
}

function spotOf(at: Location): Extract<Location, { screen: 'records' }> {
  if (at.screen !== 'records') throw new Error(`not a records screen: ${at.screen}`);
  return at;
}

function placeOf(at: Location): RecordsPlace {
  const { name, collection, page } = spotOf(at);
  return { name, collection, page };
}

/** Records are stored unchanged, because their keys are shown too. Code that draws them must sanitise them. */
export function recordsRequest({ name, collection, page }: RecordsPlace): PageRequest {
  return {
    slot: 'records',
    key: recordsKey({ name, collection, page }),
    load: ({ databases }) => databases.records(name, collection, { page, per_page: PER_PAGE }),
  };
}

export function recordsKey({ name, collection, page }: RecordsPlace): string {
  return `${name}/${collection}?${page}`;
}

function listId(at: Location): string {
  const { name, collection } = spotOf(at);
  return `records:${name}/${collection}`;
}

function pageFor({ fleet, ui }: ConsoleState) {
  return pageOf(fleet, 'records', recordsKey(placeOf(ui.at)));
}

function recordsOf(state: ConsoleState): readonly DatabaseRecord[] {
  const records = pageFor(state)?.value?.items ?? [];
  const matches = wordFilter(filterOf(state.ui, listId(state.ui.at)));
  return matches === null ? records : records.filter((record) => matches(JSON.stringify(record)));
}

function keyOf(record: DatabaseRecord): string {
  return cellOf(record['id']);
}

/** Records of a view may have no id. */
function listOf(state: ConsoleState): List {
  return {
    id: listId(state.ui.at),
    keys: recordsOf(state).map(keyOf),
    from: () => 3,
    room: listRows,
    filterHint: 'all fields of the records on this page',
  };
}

/** Rows without the two lines at the top and the heading. */
function listRows({ rows }: Size): number {
  return Math.max(1, rows - 3);
}

function chosenId(state: ConsoleState): string | null {
  const { keys, id } = listOf(state);
  return keys[cursorIndex(keys, cursorOf(state.ui, id))] ?? null;
}

function lastPage(total: number): number {
  return Math.max(1, Math.ceil(total / PER_PAGE));
}

function turnPage(console: Console, by: 1 | -1): true {
  const place = placeOf(console.ui.get().at);
  const total = pageFor(stateOf(console))?.value?.total;
  if (total === undefined) return true;
  const page = place.page + by;
  if (page < 1 || page > lastPage(total)) {
    showNotice(console, by === 1 ? 'This is the last page.' : 'This is the first page.');
    return true;
  }
  switchTo(console, { screen: 'records', ...place, page });
  return true;
}

function recordsLines(view: View): string[] {
  const { ui, theme, size } = view;
  const page = pageFor(view);
  const { name, collection } = spotOf(ui.at);
  const filter = filterOf(ui, listId(ui.at));
  const total = page?.value?.total ?? null;
  const right: Span[] = [
    ...(filter === '' ? [] : [['warn', `/${filter} on this page  `] as Span]),
    [
      'muted',
      total === null ? '' : `${plural(total, 'record')}, page ${spotOf(ui.at).page} of ${lastPage(total)} `,
    ],
  ];
  const left: Span[] = [
    ['strong', ` ${name}`],
    ['muted', ' › '],
    ['title', collection],
    ['muted', '  read-only'],
  ];
  const head = [paintSplit(theme, left, right, size.columns), ''];
  if (page === null || page.value === null) {
    const [token, words] = loadingSpan(page, 'loading the records');
    return [...head, ...wrapWords(words, size.columns - 2).map((text) => theme.paint(token, ` ${text}`))];
  }
  const rows = recordsOf(view);
  const cursor = cursorOf(ui, listId(ui.at));
  const empty = filter === '' ? 'This collection has no records.' : NO_MATCH;
  return [
    ...head,
    ...drawTable(
      theme,
      { columns: columnsOf(rows, size.columns), rows, keyOf, cursor, empty },
      size.columns,
      listRows(size),
    ),
  ];
}

/** As many fields as fit, in the order of the schema. */
function columnsOf(rows: readonly DatabaseRecord[], width: number): Column<DatabaseRecord>[] {
  const names = Object.keys(rows[0] ?? {});
  const columns: Column<DatabaseRecord>[] = [];
  let left = width - 4;
  for (const name of names) {
    const title = sanitise(name).toUpperCase();
    const own = widthFor([title, ...rows.map((row) => cellOf(row[name]))], 4, MAX_COLUMN_WIDTH);
    if (own + 1 > left) break;
    left -= own + 1;
    columns.push({ title, width: own, text: (row) => cellOf(row[name]) });
  }
  return columns;
}

const MAX_CELL = 200;

function cellOf(value: unknown): string {
  if (value === undefined || value === null || value === '') return '–';
  const text = typeof value === 'string' ? value : JSON.stringify(value);
  return sanitise(text.slice(0, MAX_CELL));
}
