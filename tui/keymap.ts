/**
 * The one table of keys: input, the hints in the footer, the help and the palette are all made from it.
 * Of the groups that are active together (`GROUPS_OF`) no two may share a key; a test holds that.
 */
export type KeyGroup =
  | 'everywhere'
  | 'list'
  | 'instances'
  | 'actions'
  | 'instance'
  | 'log'
  | 'scroll'
  | 'confirm'
  | 'quit';

export type Place = 'waiting' | 'overview' | 'instances' | 'summary' | 'logs' | 'confirm' | 'quit';

export interface Binding {
  command: Command;
  keys: readonly string[];
  group: KeyGroup;
  help: string;
  /** Shown in the footer, where there is room; the most useful come first in the table. */
  hint?: string;
}

export type Command =
  | 'screen.overview'
  | 'screen.instances'
  | 'palette'
  | 'help'
  | 'back'
  | 'leave'
  | 'interrupt'
  | 'retry'
  | 'up'
  | 'down'
  | 'page.up'
  | 'page.down'
  | 'first'
  | 'last'
  | 'open'
  | 'logs'
  | 'filter'
  | 'sort.next'
  | 'sort.reverse'
  | 'mark'
  | 'mark.all'
  | 'start'
  | 'stop'
  | 'restart'
  | 'tab'
  | 'log.follow'
  | 'log.wrap'
  | 'search'
  | 'search.older'
  | 'search.newer'
  | 'confirm.yes'
  | 'confirm.no'
  | 'quit.keep'
  | 'quit.stop'
  | 'quit.cancel';

export const BINDINGS: readonly Binding[] = [
  { command: 'open', keys: ['enter'], group: 'list', help: 'open the chosen one', hint: 'open' },
  { command: 'logs', keys: ['l'], group: 'list', help: 'its log', hint: 'logs' },
  { command: 'filter', keys: ['/'], group: 'instances', help: 'filter; !word excludes', hint: 'filter' },
  { command: 'start', keys: ['s'], group: 'actions', help: 'start', hint: 'start' },
  { command: 'stop', keys: ['x'], group: 'actions', help: 'stop, after a question', hint: 'stop' },
  { command: 'restart', keys: ['r'], group: 'actions', help: 'restart, after a question', hint: 'restart' },
  { command: 'mark', keys: ['space'], group: 'instances', help: 'mark or unmark', hint: 'mark' },
  { command: 'mark.all', keys: ['*'], group: 'instances', help: 'mark all that are shown, or none' },
  { command: 'sort.next', keys: ['o'], group: 'instances', help: 'sort by the next column', hint: 'sort' },
  { command: 'sort.reverse', keys: ['O'], group: 'instances', help: 'turn the order around' },
  { command: 'tab', keys: ['tab', 'left', 'right'], group: 'instance', help: 'summary or log', hint: 'tab' },
  { command: 'log.follow', keys: ['f'], group: 'log', help: 'follow the end, or pause', hint: 'follow' },
  { command: 'search', keys: ['/'], group: 'log', help: 'search, from the newest line up', hint: 'search' },
  { command: 'search.older', keys: ['n'], group: 'log', help: 'older match', hint: 'older' },
  { command: 'search.newer', keys: ['N'], group: 'log', help: 'newer match' },
  { command: 'log.wrap', keys: ['w'], group: 'log', help: 'wrap long lines, or cut them', hint: 'wrap' },
  { command: 'down', keys: ['down', 'j'], group: 'list', help: 'down' },
  { command: 'up', keys: ['up', 'k'], group: 'list', help: 'up' },
  { command: 'page.down', keys: ['pagedown', 'ctrl+f'], group: 'list', help: 'a page down' },
  { command: 'page.up', keys: ['pageup', 'ctrl+b'], group: 'list', help: 'a page up' },
  { command: 'first', keys: ['g', 'home'], group: 'list', help: 'the first' },
  { command: 'last', keys: ['G', 'end'], group: 'list', help: 'the last' },
  { command: 'down', keys: ['down', 'j'], group: 'scroll', help: 'a line down' },
  { command: 'up', keys: ['up', 'k'], group: 'scroll', help: 'a line up; a log stops following' },
  { command: 'page.down', keys: ['pagedown', 'ctrl+f'], group: 'scroll', help: 'a page down' },
  { command: 'page.up', keys: ['pageup', 'ctrl+b'], group: 'scroll', help: 'a page up' },
  { command: 'first', keys: ['g', 'home'], group: 'scroll', help: 'the beginning' },
  { command: 'last', keys: ['G', 'end'], group: 'scroll', help: 'the end; a log follows it' },
  { command: 'screen.overview', keys: ['1'], group: 'everywhere', help: 'Overview' },
  { command: 'screen.instances', keys: ['2'], group: 'everywhere', help: 'Instances' },
  { command: 'palette', keys: [':'], group: 'everywhere', help: 'go anywhere, do anything', hint: 'menu' },
  { command: 'back', keys: ['esc'], group: 'everywhere', help: 'back; clears a filter, marks or a message' },
  { command: 'retry', keys: ['ctrl+r'], group: 'everywhere', help: 'reconnect now' },
  { command: 'help', keys: ['?'], group: 'everywhere', help: 'this help', hint: 'help' },
  { command: 'leave', keys: ['q'], group: 'everywhere', help: 'leave the console', hint: 'leave' },
  { command: 'interrupt', keys: ['ctrl+c'], group: 'everywhere', help: 'leave the console' },
  { command: 'confirm.yes', keys: ['y'], group: 'confirm', help: 'yes, do it', hint: 'yes' },
  { command: 'confirm.no', keys: ['n', 'esc', 'q'], group: 'confirm', help: 'no', hint: 'no' },
  { command: 'interrupt', keys: ['ctrl+c'], group: 'confirm', help: 'no' },
  { command: 'quit.keep', keys: ['k', 'enter'], group: 'quit', help: 'leave, keep it running', hint: 'keep' },
  { command: 'quit.stop', keys: ['s'], group: 'quit', help: 'leave and stop it', hint: 'stop' },
  { command: 'quit.cancel', keys: ['esc', 'n'], group: 'quit', help: 'stay here', hint: 'stay' },
  { command: 'interrupt', keys: ['ctrl+c'], group: 'quit', help: 'leave, keep it running' },
];

export const GROUPS_OF: Readonly<Record<Place, readonly KeyGroup[]>> = {
  waiting: ['everywhere'],
  overview: ['list', 'everywhere'],
  instances: ['list', 'actions', 'instances', 'everywhere'],
  summary: ['instance', 'actions', 'scroll', 'everywhere'],
  logs: ['log', 'instance', 'scroll', 'actions', 'everywhere'],
  confirm: ['confirm'],
  quit: ['quit'],
};

export const GROUP_TITLES: Readonly<Record<KeyGroup, string>> = {
  everywhere: 'Everywhere',
  list: 'Lists',
  instances: 'Instances',
  actions: 'Actions on the marked ones, else the chosen one',
  instance: 'One instance',
  log: 'Log',
  scroll: 'Scrolling',
  confirm: 'Question',
  quit: 'Leaving',
};

/** In the order of the groups. */
export function bindingsOf(place: Place): Binding[] {
  return GROUPS_OF[place].flatMap((active) => BINDINGS.filter(({ group }) => group === active));
}

export function commandOf(place: Place, press: string): Command | null {
  return bindingsOf(place).find(({ keys }) => keys.includes(press))?.command ?? null;
}

const KEY_LABELS: Readonly<Record<string, string>> = {
  enter: '⏎',
  esc: 'Esc',
  space: 'Space',
  up: '↑',
  down: '↓',
  left: '←',
  right: '→',
  pageup: 'PgUp',
  pagedown: 'PgDn',
  home: 'Home',
  end: 'End',
  tab: 'Tab',
};

export function keyLabel(key: string): string {
  return KEY_LABELS[key] ?? key.replace(/^ctrl\+(.)$/, (_, letter: string) => `^${letter.toUpperCase()}`);
}

/** The part of Ink's `Key` that is read here. */
export interface KeyFlags {
  upArrow: boolean;
  downArrow: boolean;
  leftArrow: boolean;
  rightArrow: boolean;
  pageUp: boolean;
  pageDown: boolean;
  home: boolean;
  end: boolean;
  return: boolean;
  escape: boolean;
  tab: boolean;
  backspace: boolean;
  delete: boolean;
  ctrl: boolean;
  meta: boolean;
}

const NAMED = [
  ['upArrow', 'up'],
  ['downArrow', 'down'],
  ['leftArrow', 'left'],
  ['rightArrow', 'right'],
  ['pageUp', 'pageup'],
  ['pageDown', 'pagedown'],
  ['home', 'home'],
  ['end', 'end'],
  ['return', 'enter'],
  ['escape', 'esc'],
  ['tab', 'tab'],
  ['backspace', 'backspace'],
  ['delete', 'backspace'],
] as const;

/**
 * Key presses by name. Ink hands over several as one text when they arrive together (a held key, a slow line), and
 * Esc followed quickly by a letter as that letter with Meta: both are taken apart again.
 */
export function pressesOf(input: string, key: KeyFlags): string[] {
  const named = NAMED.find(([flag]) => key[flag]);
  if (named !== undefined) return [named[1]];
  if (key.ctrl) return input === '' ? [] : [`ctrl+${input.toLowerCase()}`];
  const typed = Array.from(new Intl.Segmenter().segment(input), ({ segment }) => pressOf(segment));
  return key.meta ? ['esc', ...typed] : typed;
}

function pressOf(text: string): string {
  switch (text) {
    case '\r':
    case '\n':
    case '\r\n':
      return 'enter';
    case '\t':
      return 'tab';
    case ' ':
      return 'space';
    default:
      return text;
  }
}
