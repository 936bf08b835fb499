import type { Instance } from '../../../shared/api/instances.ts';
import { COPY_KEYS } from '../../keys/bindings.ts';
import { type CopyChoice, copyChoices } from '../../store/copy/copy-choice.ts';
import { type TimelineEntry, timelineOf } from '../../store/events/timeline.ts';
import { type DataNeeds, NO_NEEDS } from '../../store/pages/pages.ts';
import { cursorIndex } from '../../store/view/cursor.ts';
import type { Location, Spot, Tab, Thing } from '../../store/view/location.ts';
import { cursorOf, filterOf } from '../../store/view/ui-state.ts';
import type { Span } from '../../widgets/line.ts';
import {
  databaseBackupsCopies,
  databaseBackupsLines,
  databaseBackupsList,
  databaseBackupsRequests,
} from '../backups/database-backups.ts';
import { type Console, type ConsoleState, type Size, stateOf, type View } from '../console.ts';
import { noMatchText, positionSpans } from '../events/older-items.ts';
import { eventCopies, olderItems, timelineError, timelineLines, timelineNeeds } from '../events/timeline.ts';
import { detailRows } from '../frame/list-detail.ts';
import { logCopies, plainLog } from '../logs/log.ts';
import { logLines } from '../logs/log-lines.ts';
import type { List, LongText } from '../screen.ts';
import { collectionsId, collectionsLines, collectionsOf, collectionsRequest } from './instance-data.ts';
import { probesId, probesLines, probesOf, probesRequest } from './instance-probes.ts';
import { usageLines, usageRequest } from './instance-usage.ts';
import { summaryLines } from './summary-lines.ts';

/** One tab of an instance. Everything that is the same for all tabs is in `instance.ts`. */
export interface InstanceTab {
  title: string;
  lines(view: View, instance: Instance): readonly string[];
  list?(state: ConsoleState, name: string): List;
  text?(view: View, name: string): LongText | null;
  describe?(state: ConsoleState, name: string): Thing | null;
  /** Entries of the copy dialog, before those of the instance. */
  copies?(state: ConsoleState, name: string): CopyChoice[];
  plain?(state: ConsoleState): string;
  /** Shown at the right of the tabs. */
  note?(view: View, name: string): Span[];
  command(name: string): string;
  needs(state: ConsoleState, name: string): DataNeeds;
  /** What the command `open` opens. */
  opens?(console: Console): Spot | null;
}

export function instanceSpot(at: Location): Extract<Location, { screen: 'instance' }> {
  if (at.screen !== 'instance') throw new Error(`not an instance screen: ${at.screen}`);
  return at;
}

/** Rows without the tabs, one summary line and the heading. */
function listRows({ rows }: Size): number {
  return Math.max(1, rows - 3);
}

/** Rows without the tabs, the heading and the details. */
function eventRows(size: Size): number {
  return Math.max(1, size.rows - 2 - detailRows(size));
}

const summary: InstanceTab = {
  title: 'Summary',
  lines: (view, instance) => [
    '',
    ...summaryLines(view, instance).slice(view.ui.tops[`summary:${instance.name}`] ?? 0),
  ],
  text(view, name) {
    const instance = view.fleet.instances.get(name);
    if (instance === undefined) return null;
    const room = Math.max(1, view.size.rows - 2);
    return { id: `summary:${name}`, length: summaryLines(view, instance).length, room };
  },
  command: (name) => `databases show ${name}`,
  needs: () => NO_NEEDS,
};

const logs: InstanceTab = {
  title: 'Logs',
  lines: (view, { name }) => logLines(view, view.fleet.log?.names[0] === name ? view.fleet.log : null),
  command: (name) => `databases logs ${name}`,
  copies: logCopies,
  plain: plainLog,
  needs: (_, name) => ({ logs: [name] }),
};

const probes: InstanceTab = {
  title: 'Probes',
  lines: (view, instance) =>
    probesLines(view, instance, cursorOf(view.ui, probesId(instance.name)), listRows(view.size)),
  list: (state, name) => ({
    id: probesId(name),
    keys: probesOf(state, name).map(({ at }) => at),
    from: () => 3,
    room: listRows,
  }),
  command: (name) => `databases show ${name}`,
  needs: (state, name) => ({ pages: [probesRequest(state, name)] }),
};

const events: InstanceTab = {
  title: 'Events',
  lines(view, { name }) {
    const entries = eventsOf(view, name);
    const { id, keys } = eventsList(view, name);
    const cursor = cursorOf(view.ui, id);
    const empty =
      filterOf(view.ui, id) === ''
        ? 'No events since the daemon started.'
        : noMatchText(olderItems(view, 'all', name));
    const room = eventRows(view.size);
    return timelineLines(view, entries, {
      cursor,
      index: cursorIndex(keys, cursor),
      room,
      named: false,
      problem: timelineError(view.fleet, 'all', name),
      empty,
    });
  },
  list: eventsList,
  describe(state, name) {
    const { id, keys } = eventsList(state, name);
    const key = keys[cursorIndex(keys, cursorOf(state.ui, id))];
    return key === undefined ? null : { kind: 'event', key, name };
  },
  command: () => 'audit list',
  copies(state, name) {
    const { id, keys } = eventsList(state, name);
    return eventCopies(eventsOf(state, name)[cursorIndex(keys, cursorOf(state.ui, id))]);
  },
  needs: timelineNeeds,
  note(view, name) {
    const { keys, id } = eventsList(view, name);
    return positionSpans(
      cursorIndex(keys, cursorOf(view.ui, id)),
      keys.length,
      olderItems(view, 'all', name),
    );
  },
  opens(console) {
    const state = stateOf(console);
    const thing = events.describe?.(state, instanceSpot(state.ui.at).name) ?? null;
    return thing === null ? null : { screen: 'describe', thing };
  },
};

function eventsOf({ fleet, ui }: ConsoleState, name: string): readonly TimelineEntry[] {
  return timelineOf(fleet, { tab: 'all', name, filter: filterOf(ui, `events:${name}`) });
}

function eventsList(state: ConsoleState, name: string): List {
  return {
    id: `events:${name}`,
    keys: eventsOf(state, name).map(({ key }) => key),
    from: () => 2,
    room: eventRows,
    filterHint: 'actor, event, outcome, detail',
    older: olderItems(state, 'all', name),
  };
}

const data: InstanceTab = {
  title: 'Data',
  lines(view, { name, kind }) {
    if (kind === 'global') return ['', view.theme.paint('muted', ` ${GLOBAL_NOT_SHOWN}`)];
    return collectionsLines(view, name, cursorOf(view.ui, collectionsId(name)), listRows(view.size));
  },
  list: collectionsList,
  command: (name) => `databases collections ${name}`,
  copies(state, name) {
    const { id, keys } = collectionsList(state, name);
    return copyChoices([
      COPY_KEYS.collection,
      'the collection',
      keys[cursorIndex(keys, cursorOf(state.ui, id))],
    ]);
  },
  needs: (state, name) =>
    state.fleet.instances.get(name)?.kind === 'user'
      ? { pages: [collectionsRequest(state, name)] }
      : NO_NEEDS,
  opens(console) {
    const state = stateOf(console);
    const { name } = instanceSpot(state.ui.at);
    const { id, keys } = collectionsList(state, name);
    const collection = keys[cursorIndex(keys, cursorOf(state.ui, id))];
    return collection === undefined ? null : { screen: 'records', name, collection, page: 1 };
  },
};

const GLOBAL_NOT_SHOWN =
  'The global database holds the data of Fathom itself. Superusers can see it in its dashboard.';

function collectionsList(state: ConsoleState, name: string): List {
  return {
    id: collectionsId(name),
    keys: collectionsOf(state, name).map((one) => one.name),
    from: () => 2,
    room: listRows,
    filterHint: 'name, type',
  };
}

const usage: InstanceTab = {
  title: 'Usage',
  lines: (view, { name }) => ['', ...usageLines(view, name).slice(view.ui.tops[`usage:${name}`] ?? 0)],
  text: (view, name) => ({
    id: `usage:${name}`,
    length: usageLines(view, name).length,
    room: Math.max(1, view.size.rows - 2),
  }),
  command: (name) => `databases usage ${name}`,
  needs: (_, name) => ({ pages: [usageRequest(name)] }),
};

const backups: InstanceTab = {
  title: 'Backups',
  lines: (view, { name }) => databaseBackupsLines(view, name),
  list: databaseBackupsList,
  command: (name) => `backups list ${name}`,
  copies: databaseBackupsCopies,
  needs: (state, name) => ({ pages: databaseBackupsRequests(state, name) }),
};

export const INSTANCE_TAB: Readonly<Record<Tab, InstanceTab>> = {
  summary,
  logs,
  probes,
  events,
  data,
  usage,
  backups,
};
