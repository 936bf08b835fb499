import type { TopScreen } from '../store/view/location.ts';
import { BINDINGS, type Binding, type KeyGroup } from './bindings.ts';
import type { Command } from './commands.ts';
import { keyLabel } from './presses.ts';

/** A screen, tab or dialog with its own set of keys. */
export type Place =
  | 'waiting'
  | Exclude<TopScreen, 'accounts' | 'host'>
  | 'failures'
  | 'task'
  | 'summary'
  | 'logs'
  | 'probes'
  | 'data'
  | 'usage'
  | 'database-backups'
  | 'deleted-databases'
  | 'records'
  | 'describe'
  | 'help'
  | 'prompt'
  | 'confirm'
  | 'form'
  | 'users'
  | 'keys'
  | 'sessions'
  | 'invitations'
  | 'doctor'
  | 'daemon-log'
  | 'wakes'
  | 'nodes'
  | 'copy'
  | 'quit';

/** The active key groups of each place. The footer shows their hints in this order. */
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
  usage: ['tabs', 'actions', 'subject', 'thing', 'scroll', 'everywhere'],
  'database-backups': ['tabs', 'restores', 'backups', 'actions', 'subject', 'thing', 'list', 'everywhere'],
  databases: ['list', 'filter', 'problems', 'subject', 'trash', 'deletion', 'thing', 'everywhere'],
  'deleted-databases': ['list', 'undeletion', 'filter', 'trash', 'thing', 'everywhere'],
  backups: ['list', 'backups', 'filter', 'subject', 'thing', 'everywhere'],
  records: ['list', 'records', 'filter', 'thing', 'everywhere'],
  describe: ['scroll', 'everywhere'],
  servers: ['list', 'servers', 'everywhere'],
  doctor: ['list', 'tabs', 'filter', 'everywhere'],
  'daemon-log': ['list', 'tabs', 'filter', 'everywhere'],
  wakes: ['list', 'tabs', 'subject', 'thing', 'everywhere'],
  nodes: ['list', 'tabs', 'everywhere'],
  users: ['list', 'tabs', 'filter', 'users', 'thing', 'everywhere'],
  keys: ['list', 'tabs', 'filter', 'keys', 'thing', 'everywhere'],
  sessions: ['list', 'tabs', 'filter', 'sessions', 'thing', 'everywhere'],
  invitations: ['list', 'tabs', 'filter', 'invitations', 'thing', 'everywhere'],
  'fleet-logs': ['logs', 'log', 'scroll', 'everywhere'],
  help: ['scroll', 'help'],
  prompt: ['prompt', 'editing'],
  confirm: ['confirm'],
  form: ['form', 'choice', 'editing'],
  copy: ['copying'],
  quit: ['quit'],
};

/** All bindings of a place, in the order of its groups. */
export function bindingsOf(place: Place): Binding[] {
  return GROUPS_OF[place].flatMap((active) => BINDINGS.filter(({ group }) => group === active));
}

export function commandOf(place: Place, press: string): Command | null {
  return bindingsOf(place).find(({ keys }) => keys.includes(press))?.command ?? null;
}

/** The labels of a command's first two keys: `n or Esc`. */
export function keysFor(command: Command): string {
  const keys = BINDINGS.find((binding) => binding.command === command)?.keys ?? [];
  return keys.slice(0, 2).map(keyLabel).join(' or ');
}

/** The label of a command's first key, for texts that name it: `^R`. */
export function keyFor(command: Command): string {
  return keyLabel(BINDINGS.find((binding) => binding.command === command)?.keys[0] ?? '');
}
