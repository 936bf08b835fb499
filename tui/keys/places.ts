import type { TopScreen } from '../store/view/location.ts';
import { BINDINGS, type Binding, type KeyGroup } from './bindings.ts';
import type { Command } from './commands.ts';

/** Where keys have a meaning of their own. */
export type Place =
  | 'waiting'
  | Exclude<TopScreen, 'accounts' | 'host'>
  | 'failures'
  | 'task'
  | 'summary'
  | 'logs'
  | 'probes'
  | 'data'
  | 'records'
  | 'describe'
  | 'confirm'
  | 'form'
  | 'users'
  | 'keys'
  | 'sessions'
  | 'doctor'
  | 'daemon-log'
  | 'copy'
  | 'quit';

/** The groups of keys in force; the footer shows their hints in this order. */
export const GROUPS_OF: Readonly<Record<Place, readonly KeyGroup[]>> = {
  waiting: ['everywhere'],
  overview: ['list', 'actions', 'subject', 'thing', 'everywhere'],
  instances: [
    'list',
    'filter',
    'problems',
    'actions',
    'subject',
    'deletion',
    'marks',
    'sort',
    'thing',
    'everywhere',
  ],
  summary: ['tabs', 'actions', 'subject', 'deletion', 'thing', 'scroll', 'everywhere'],
  logs: ['log', 'tabs', 'scroll', 'actions', 'thing', 'everywhere'],
  queue: ['list', 'tabs', 'tasks', 'filter', 'task', 'marks', 'queue', 'thing', 'everywhere'],
  failures: ['list', 'tabs', 'failures', 'filter', 'queue', 'everywhere'],
  task: ['tasks', 'task', 'queue', 'thing', 'scroll', 'everywhere'],
  probes: ['tabs', 'actions', 'subject', 'thing', 'list', 'everywhere'],
  events: ['list', 'tabs', 'filter', 'subject', 'thing', 'everywhere'],
  data: ['list', 'tabs', 'filter', 'subject', 'everywhere'],
  databases: ['list', 'filter', 'problems', 'subject', 'deletion', 'thing', 'everywhere'],
  records: ['list', 'records', 'filter', 'thing', 'everywhere'],
  describe: ['scroll', 'everywhere'],
  servers: ['list', 'servers', 'everywhere'],
  doctor: ['list', 'tabs', 'filter', 'everywhere'],
  'daemon-log': ['list', 'tabs', 'filter', 'everywhere'],
  users: ['list', 'tabs', 'filter', 'users', 'thing', 'everywhere'],
  keys: ['list', 'tabs', 'filter', 'keys', 'thing', 'everywhere'],
  sessions: ['list', 'tabs', 'filter', 'sessions', 'thing', 'everywhere'],
  'fleet-logs': ['logs', 'log', 'scroll', 'everywhere'],
  confirm: ['confirm'],
  form: ['form'],
  copy: ['copying'],
  quit: ['quit'],
};

/** In the order of the groups. */
export function bindingsOf(place: Place): Binding[] {
  return GROUPS_OF[place].flatMap((active) => BINDINGS.filter(({ group }) => group === active));
}

export function commandOf(place: Place, press: string): Command | null {
  return bindingsOf(place).find(({ keys }) => keys.includes(press))?.command ?? null;
}
