import type { Collection } from '../../../shared/api/databases.ts';
import type { InstancePhase } from '../../../shared/instance.ts';
import { type PageRequest, pageOf } from '../../store/pages/pages.ts';
import type { Cursor } from '../../store/view/cursor.ts';
import { wordFilter } from '../../store/view/filter.ts';
import { filterOf } from '../../store/view/ui-state.ts';
import { type Column, drawTable, widthFor } from '../../widgets/table.ts';
import { wrapWords } from '../../widgets/text.ts';
import type { ConsoleState, View } from '../console.ts';
import { loadingSpan, NO_MATCH } from '../frame/hints.ts';

/** A database that falls asleep keeps its collections. Loading them again would wake it each time. */
const SLEEP_PHASES: ReadonlySet<InstancePhase> = new Set(['stopping', 'asleep', 'waking']);

/** The collections of one database. They are loaded again when its phase changes. */
export function collectionsRequest({ fleet }: Pick<ConsoleState, 'fleet'>, name: string): PageRequest {
  const phase = fleet.instances.get(name)?.phase ?? '';
  return {
    slot: 'collections',
    key: name,
    version: phase !== '' && SLEEP_PHASES.has(phase) ? 'running' : phase,
    load: async ({ databases }) => (await databases.collections(name, { per_page: 500 })).items,
  };
}

export function collectionsId(name: string): string {
  return `collections:${name}`;
}

export function collectionsOf({ fleet, ui }: ConsoleState, name: string): readonly Collection[] {
  const read = pageOf(fleet, 'collections', name)?.value ?? [];
  // System collections of PocketBase come last.
  const all = read.toSorted((a, b) => Number(a.system) - Number(b.system));
  const matches = wordFilter(filterOf(ui, collectionsId(name)));
  return matches === null ? all : all.filter((one) => matches(`${one.name} ${one.type}`));
}

/** Heading and rows. */
export function collectionsLines(view: View, name: string, cursor: Cursor, room: number): string[] {
  const { fleet, theme, size } = view;
  const page = pageOf(fleet, 'collections', name);
  if (page === null || page.value === null || page.error !== null) {
    const [token, words] = loadingSpan(page, 'loading the collections');
    return ['', ...wrapWords(words, size.columns - 2).map((text) => theme.paint(token, ` ${text}`))];
  }
  const rows = collectionsOf(view, name);
  const columns: Column<Collection>[] = [
    {
      title: 'COLLECTION',
      width: widthFor(
        rows.map((one) => one.name),
        12,
        40,
      ),
      text: (one) => one.name,
    },
    { title: 'TYPE', width: 6, text: ({ type }) => type },
    {
      title: 'RECORDS',
      width: 9,
      align: 'right',
      text: ({ records }) => (records === null ? '–' : String(records)),
    },
    { title: '', width: 0, text: ({ records }) => (records === null ? 'records cannot be counted' : '') },
  ];
  return drawTable(
    theme,
    { columns, rows, keyOf: (one) => one.name, cursor, empty: NO_MATCH },
    size.columns,
    room,
  );
}
