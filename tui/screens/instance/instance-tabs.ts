import type { Instance } from '../../../shared/instance.ts';
import { type CopyChoice, copyChoices } from '../../store/copy/copy-choice.ts';
import { type TimelineEntry, timelineOf } from '../../store/events/timeline.ts';
import { NOTHING, type Wants } from '../../store/pages/wants.ts';
import { cursorIndex } from '../../store/view/cursor.ts';
import type { Location, Spot, Tab, Thing } from '../../store/view/location.ts';
import { cursorOf, filterOf } from '../../store/view/ui-state.ts';
import type { Span } from '../../widgets/line.ts';
import { type Console, lookOf } from '../console.ts';
import { nothingMatches, placeSpans } from '../events/reach-back.ts';
import { eventCopies, olderOf, timelineLines, timelineProblem, wantsTimeline } from '../events/timeline.ts';
import { detailRows } from '../frame/chosen-line.ts';
import { logCopies, plainLog } from '../logs/log.ts';
import { logLines } from '../logs/log-lines.ts';
import type { List, LongText, Look, Size, View } from '../screen.ts';
import { collectionsId, collectionsLines, collectionsOf, collectionsRequest } from './instance-data.ts';
import { probesId, probesLines, probesOf, probesRequest } from './instance-probes.ts';
import { summaryLines } from './summary-lines.ts';

/** One tab of an instance; what it leaves out is the same for all of them. */
export interface InstanceTab {
  title: string;
  lines(view: View, instance: Instance): readonly string[];
  list?(look: Look, name: string): List;
  text?(view: View, name: string): LongText | null;
  describe?(look: Look, name: string): Thing | null;
  /** Before what can be copied of the instance. */
  copies?(look: Look, name: string): CopyChoice[];
  plain?(look: Look): string;
  /** At the right of the tabs. */
  note?(view: View, name: string): Span[];
  command(name: string): string;
  wants(look: Look, name: string): Wants;
  /** Where Enter leads. */
  opens?(console: Console): Spot | null;
}

export function instanceSpot(at: Location): Extract<Location, { screen: 'instance' }> {
  if (at.screen !== 'instance') throw new Error(`${at.screen} is not about one instance`);
  return at;
}

/** What the tabs, one line and the headings leave. */
function listRows({ rows }: Size): number {
  return Math.max(1, rows - 3);
}

/** What the tabs, the headings and what is said of the chosen one leave. */
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
  wants: () => NOTHING,
};

const logs: InstanceTab = {
  title: 'Logs',
  lines: (view, { name }) => logLines(view, view.fleet.log?.names[0] === name ? view.fleet.log : null),
  command: (name) => `databases logs ${name}`,
  copies: logCopies,
  plain: plainLog,
  wants: (_, name) => ({ logs: [name] }),
};

const probes: InstanceTab = {
  title: 'Probes',
  lines: (view, instance) =>
    probesLines(view, instance, cursorOf(view.ui, probesId(instance.name)), listRows(view.size)),
  list: (look, name) => ({
    id: probesId(name),
    keys: probesOf(look, name).map(({ at }) => at),
    from: () => 3,
    room: listRows,
  }),
  command: (name) => `databases show ${name}`,
  wants: (look, name) => ({ pages: [probesRequest(look, name)] }),
};

const events: InstanceTab = {
  title: 'Events',
  lines(view, { name }) {
    const entries = eventsOf(view, name);
    const { id, keys } = eventsList(view, name);
    const cursor = cursorOf(view.ui, id);
    const empty =
      filterOf(view.ui, id) === ''
        ? 'Nothing has happened to it since the daemon started.'
        : nothingMatches(olderOf(view, 'all', name));
    const room = eventRows(view.size);
    return timelineLines(view, entries, {
      cursor,
      index: cursorIndex(keys, cursor),
      room,
      named: false,
      problem: timelineProblem(view.fleet, 'all', name),
      empty,
    });
  },
  list: eventsList,
  describe(look, name) {
    const { id, keys } = eventsList(look, name);
    const key = keys[cursorIndex(keys, cursorOf(look.ui, id))];
    return key === undefined ? null : { kind: 'event', key, name };
  },
  command: () => 'audit list',
  copies(look, name) {
    const { id, keys } = eventsList(look, name);
    return eventCopies(eventsOf(look, name)[cursorIndex(keys, cursorOf(look.ui, id))]);
  },
  wants: wantsTimeline,
  note(view, name) {
    const { keys, id } = eventsList(view, name);
    return placeSpans(cursorIndex(keys, cursorOf(view.ui, id)), keys.length, olderOf(view, 'all', name));
  },
  opens(console) {
    const look = lookOf(console);
    const thing = events.describe?.(look, instanceSpot(look.ui.at).name) ?? null;
    return thing === null ? null : { screen: 'describe', thing };
  },
};

function eventsOf({ fleet, ui }: Look, name: string): readonly TimelineEntry[] {
  return timelineOf(fleet, { tab: 'all', name, filter: filterOf(ui, `events:${name}`) });
}

function eventsList(look: Look, name: string): List {
  return {
    id: `events:${name}`,
    keys: eventsOf(look, name).map(({ key }) => key),
    from: () => 2,
    room: eventRows,
    filterHint: 'who, what, outcome, detail',
    older: olderOf(look, 'all', name),
  };
}

const data: InstanceTab = {
  title: 'Data',
  lines(view, { name, kind }) {
    if (kind === 'global') return ['', view.theme.paint('muted', ` ${GLOBAL_IS_NOT_SHOWN}`)];
    return collectionsLines(view, name, cursorOf(view.ui, collectionsId(name)), listRows(view.size));
  },
  list: collectionsList,
  command: (name) => `databases collections ${name}`,
  copies(look, name) {
    const { id, keys } = collectionsList(look, name);
    return copyChoices(['k', 'the collection', keys[cursorIndex(keys, cursorOf(look.ui, id))]]);
  },
  wants: (look, name) =>
    look.fleet.instances.get(name)?.kind === 'user' ? { pages: [collectionsRequest(look, name)] } : NOTHING,
  opens(console) {
    const look = lookOf(console);
    const { name } = instanceSpot(look.ui.at);
    const { id, keys } = collectionsList(look, name);
    const collection = keys[cursorIndex(keys, cursorOf(look.ui, id))];
    return collection === undefined ? null : { screen: 'records', name, collection, page: 1 };
  },
};

const GLOBAL_IS_NOT_SHOWN =
  'The global database holds what Fathom itself keeps; its dashboard shows it to superusers.';

function collectionsList(look: Look, name: string): List {
  return {
    id: collectionsId(name),
    keys: collectionsOf(look, name).map((one) => one.name),
    from: () => 2,
    room: listRows,
    filterHint: 'name or type of a collection',
  };
}

export const INSTANCE_TAB: Readonly<Record<Tab, InstanceTab>> = { summary, logs, probes, events, data };
