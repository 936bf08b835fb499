import { copyChoices } from '../../store/copy/copy-choice.ts';
import { timelineOf } from '../../store/events/timeline.ts';
import { type PageState, pageOf } from '../../store/pages/pages.ts';
import { NOTHING } from '../../store/pages/wants.ts';
import type { Location, Thing } from '../../store/view/location.ts';
import { sanitise } from '../../store/words/sanitise.ts';
import { jsonLines } from '../../widgets/json-lines.ts';
import { paintLine } from '../../widgets/line.ts';
import { ACCOUNT_WORDS, accountCommand, accountOf, wantsAccounts } from '../accounts/accounts.ts';
import { recordsKey, recordsRequest } from '../databases/records.ts';
import { wantsTimeline } from '../events/timeline.ts';
import { wantsTask } from '../queue/task.ts';
import type { LongText, Look, Screen, View } from '../screen.ts';

/** One thing as it is, in JSON. */
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
    return thing.kind === 'task' || thing.kind === 'account' ? null : thing.name;
  },
  command({ ui }) {
    const thing = thingOf(ui.at);
    switch (thing.kind) {
      case 'instance':
        return `databases show ${thing.name}`;
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
  copies: (look) => copyChoices(['v', 'all of it, as JSON', bodyOf(look).join('\n')]),
  wants(look) {
    const { fleet, ui } = look;
    const thing = thingOf(ui.at);
    switch (thing.kind) {
      case 'instance':
        return NOTHING;
      case 'task':
        return wantsTask(fleet.queue, thing.id);
      case 'account':
        return wantsAccounts(look, thing.tab);
      case 'event':
        return wantsTimeline(look, thing.name);
      case 'record':
        return { pages: [recordsRequest(thing)] };
    }
  },
};

function thingOf(at: Location): Thing {
  if (at.screen !== 'describe') throw new Error(`${at.screen} describes nothing`);
  return at.thing;
}

function titleOf(thing: Thing): string {
  switch (thing.kind) {
    case 'instance':
      return thing.name;
    case 'task':
      return `Task ${thing.id}`;
    case 'account':
      return ACCOUNT_WORDS[thing.tab];
    case 'event':
      return 'Event';
    case 'record':
      return `${thing.name} › ${thing.collection} › ${sanitise(thing.id)}`;
  }
}

function bodyOf({ fleet, ui }: Look): string[] {
  const thing = thingOf(ui.at);
  switch (thing.kind) {
    case 'instance': {
      const instance = fleet.instances.get(thing.name);
      return instance === undefined ? ['It is not there any more: it was deleted.'] : linesOf(instance);
    }
    case 'task':
      return pageLines(pageOf(fleet, 'task', thing.id), (task) => task);
    case 'account': {
      const account = accountOf(fleet, thing.tab, thing.id);
      return account === undefined ? ['It is not there any more.'] : linesOf(account);
    }
    case 'event': {
      const all = timelineOf(fleet, { tab: 'all', name: thing.name, filter: '' });
      const entry = all.find(({ key }) => key === thing.key);
      return entry === undefined
        ? ['It is not in view any more: newer ones took its place.']
        : linesOf(entry.source);
    }
    case 'record':
      return pageLines(pageOf(fleet, 'records', recordsKey(thing)), ({ items }) =>
        items.find((record) => String(record['id']) === thing.id),
      );
  }
}

function pageLines<T>(page: PageState<T> | null, pick: (value: T) => object | undefined): string[] {
  if (page === null || page.value === null) return [page?.error ?? '◌ reading it'];
  const value = pick(page.value);
  return value === undefined
    ? ['It is not there any more: it was changed or deleted meanwhile.']
    : linesOf(value);
}

const remembered = new WeakMap<object, string[]>();

/** Made once for each value: a screen is drawn many times a second. */
function linesOf(value: object): string[] {
  const known = remembered.get(value);
  if (known !== undefined) return known;
  const lines = jsonLines(value);
  remembered.set(value, lines);
  return lines;
}

function textOf(view: View): LongText {
  const id = `describe:${JSON.stringify(thingOf(view.ui.at))}`;
  return { id, length: bodyOf(view).length, room: Math.max(1, view.size.rows - 2) };
}
