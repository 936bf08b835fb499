import { COPY_KEYS } from '../../keys/bindings.ts';
import { copyChoices } from '../../store/copy/copy-choice.ts';
import { timelineOf } from '../../store/events/timeline.ts';
import { NO_NEEDS, type PageState, pageOf } from '../../store/pages/pages.ts';
import { sanitise } from '../../store/text/sanitise.ts';
import type { Location, Thing } from '../../store/view/location.ts';
import { paintLine } from '../../widgets/line.ts';
import { jsonLines } from '../../widgets/text.ts';
import { ACCOUNT_NOUNS, accountCommand, accountNeeds, accountOf } from '../accounts/accounts.ts';
import type { ConsoleState, View } from '../console.ts';
import { deletedDatabaseOf, deletedNeeds } from '../databases/deleted-databases.ts';
import { recordsKey, recordsRequest } from '../databases/records.ts';
import { timelineNeeds } from '../events/timeline.ts';
import { taskNeeds } from '../queue/task.ts';
import type { LongText, Screen } from '../screen.ts';

/** One item with all its fields, as JSON. */
export const describeScreen: Screen = {
  place: () => 'describe',
  lines(view) {
    const { theme, size, ui } = view;
    const text = textOf(view);
    const from = Math.min(ui.tops[text.id] ?? 0, Math.max(0, text.length - text.room));
    const body = bodyOf(view)
      .slice(from, from + text.room)
      .map((line) => paintLine(theme, [['plain', ` ${line}`]], size.columns));
    return [paintLine(theme, [['strong', ` ${titleOf(thingOf(ui.at))}`]], size.columns), '', ...body];
  },
  text: textOf,
  instance({ ui }) {
    const thing = thingOf(ui.at);
    switch (thing.kind) {
      case 'task':
      case 'account':
      case 'deleted-database':
        return null;
      default:
        return thing.name;
    }
  },
  command({ ui }) {
    const thing = thingOf(ui.at);
    switch (thing.kind) {
      case 'instance':
        return `databases show ${thing.name}`;
      case 'deleted-database':
        return 'databases list --deleted';
      case 'task':
        return `queue show ${thing.id}`;
      case 'account':
        return accountCommand(thing.tab, thing.id);
      case 'event':
        return 'audit list';
      case 'record':
        return `databases records ${thing.name} ${thing.collection} --page ${thing.page}`;
    }
  },
  copies: (state) => copyChoices([COPY_KEYS.json, 'all fields as JSON', bodyOf(state).join('\n')]),
  needs(state) {
    const { fleet, ui } = state;
    const thing = thingOf(ui.at);
    switch (thing.kind) {
      case 'instance':
        return NO_NEEDS;
      case 'deleted-database':
        return deletedNeeds(state);
      case 'task':
        return taskNeeds(fleet.queue, thing.id);
      case 'account':
        return accountNeeds(state, thing.tab);
      case 'event':
        return timelineNeeds(state, thing.name);
      case 'record':
        return { pages: [recordsRequest(thing)] };
    }
  },
};

function thingOf(at: Location): Thing {
  if (at.screen !== 'describe') throw new Error(`not a describe screen: ${at.screen}`);
  return at.thing;
}

function titleOf(thing: Thing): string {
  switch (thing.kind) {
    case 'instance':
    case 'deleted-database':
      return thing.name;
    case 'task':
      return `Task ${thing.id}`;
    case 'account':
      return ACCOUNT_NOUNS[thing.tab];
    case 'event':
      return 'Event';
    case 'record':
      return `${thing.name} › ${thing.collection} › ${sanitise(thing.id)}`;
  }
}

function bodyOf({ fleet, ui }: ConsoleState): string[] {
  const thing = thingOf(ui.at);
  switch (thing.kind) {
    case 'instance': {
      const instance = fleet.instances.get(thing.name);
      return instance === undefined ? ['The instance was deleted.'] : linesOf(instance);
    }
    case 'deleted-database': {
      const deleted = deletedDatabaseOf(fleet, thing.name);
      return deleted === undefined ? ['The database is back, or erased.'] : linesOf(deleted);
    }
    case 'task':
      return pageLines(pageOf(fleet, 'task', thing.id), (task) => task);
    case 'account': {
      const account = accountOf(fleet, thing.tab, thing.id);
      return account === undefined ? ['The account does not exist any more.'] : linesOf(account);
    }
    case 'event': {
      const all = timelineOf(fleet, { tab: 'all', name: thing.name, filter: '' });
      const entry = all.find(({ key }) => key === thing.key);
      return entry === undefined
        ? ['The event is not loaded any more: newer events replaced it.']
        : linesOf(entry.source);
    }
    case 'record':
      return pageLines(pageOf(fleet, 'records', recordsKey(thing)), ({ items }) =>
        items.find((record) => String(record['id']) === thing.id),
      );
  }
}

function pageLines<T>(page: PageState<T> | null, pick: (value: T) => object | undefined): string[] {
  if (page === null || page.value === null) return [page?.error ?? '◌ loading'];
  const value = pick(page.value);
  return value === undefined ? ['The item was changed or deleted.'] : linesOf(value);
}

const cache = new WeakMap<object, string[]>();

/** Cached for each value, because a screen is drawn many times a second. */
function linesOf(value: object): string[] {
  const known = cache.get(value);
  if (known !== undefined) return known;
  const lines = jsonLines(value);
  cache.set(value, lines);
  return lines;
}

function textOf(view: View): LongText {
  const id = `describe:${JSON.stringify(thingOf(view.ui.at))}`;
  return { id, length: bodyOf(view).length, room: Math.max(1, view.size.rows - 2) };
}
