import type { Role } from '../../../shared/api/accounts/permissions.ts';
import type { FathomClient } from '../../../shared/client/fathom-client.ts';
import { plural } from '../text/format.ts';

/** What the console asks of the daemon over HTTP; each rejects with an error whose message is a sentence. */
export type FleetCommands = Pick<
  FathomClient,
  'audit' | 'apiKeys' | 'daemon' | 'databases' | 'events' | 'queue' | 'sessions' | 'users'
>;

interface ActionKind {
  /** The imperative, its past, and what it is done to. */
  word: string;
  past: string;
  noun: string;
  /** Milliseconds until one has usually ended, before this console has seen any. */
  usualMs: number;
  /** Answers once it is done. */
  run(commands: FleetCommands, name: string, value: string): Promise<unknown>;
}

/** One that a yes is enough for. */
interface ConfirmedKind extends ActionKind {
  /** What cuts users off, or moves many, is asked about. */
  asks: 'always' | 'if several';
  /** What the question says that it does. */
  consequence: string;
}

const CONFIRMED = {
  start: {
    word: 'start',
    past: 'started',
    noun: 'instance',
    consequence: 'They are started, whatever stopped them.',
    usualMs: 1_500,
    asks: 'if several',
    run: ({ databases }, name) => databases.start(name),
  },
  stop: {
    word: 'stop',
    past: 'stopped',
    noun: 'instance',
    consequence: 'Their users are cut off until somebody starts them again. No data is lost.',
    usualMs: 1_500,
    asks: 'always',
    run: ({ databases }, name) => databases.stop(name),
  },
  restart: {
    word: 'restart',
    past: 'restarted',
    noun: 'instance',
    consequence: 'Their users are cut off for a moment. No data is lost.',
    usualMs: 3_000,
    asks: 'always',
    run: ({ databases }, name) => databases.restart(name),
  },
  retry: {
    word: 'retry',
    past: 'retried',
    noun: 'task',
    consequence: 'They run again from their first attempt.',
    usualMs: 300,
    asks: 'if several',
    run: ({ queue }, id) => queue.retry(id),
  },
  cancel: {
    word: 'cancel',
    past: 'cancelled',
    noun: 'task',
    consequence: 'What runs is stopped, what waits never begins. Only a new task does the work then.',
    usualMs: 300,
    asks: 'always',
    run: ({ queue }, id) => queue.cancel(id),
  },
  retryFailures: {
    word: 'retry',
    past: 'retried',
    noun: 'kind of error',
    consequence: 'They run again from their first attempt, as many at once as the queue allows.',
    usualMs: 1_000,
    asks: 'always',
    run: ({ queue }, signature) => queue.retryDead({ signature }),
  },
  pause: {
    word: 'pause',
    past: 'paused',
    noun: 'queue',
    consequence: 'No more tasks begin, also after a restart of the daemon. What runs goes on.',
    usualMs: 300,
    asks: 'always',
    run: ({ queue }) => queue.pause(),
  },
  resume: {
    word: 'resume',
    past: 'resumed',
    noun: 'queue',
    consequence: 'Tasks begin again.',
    usualMs: 300,
    asks: 'if several',
    run: ({ queue }) => queue.resume(),
  },
  deactivate: {
    word: 'deactivate',
    past: 'deactivated',
    noun: 'user',
    consequence: 'All its sessions and tokens end, and it cannot sign in. Its database and its data stay.',
    usualMs: 500,
    asks: 'always',
    run: ({ users }, id) => users.update(id, { is_active: false }),
  },
  activate: {
    word: 'activate',
    past: 'activated',
    noun: 'user',
    consequence: 'They can sign in again.',
    usualMs: 500,
    asks: 'always',
    run: ({ users }, id) => users.update(id, { is_active: true }),
  },
  signOut: {
    word: 'sign out',
    past: 'signed out',
    noun: 'user',
    consequence: 'All its sessions and tokens end: it has to sign in again everywhere. Its API keys stay.',
    usualMs: 500,
    asks: 'always',
    run: ({ sessions }, id) => sessions.endAll({ user_id: id }),
  },
  revokeKey: {
    word: 'revoke',
    past: 'revoked',
    noun: 'API key',
    consequence: 'Programs that use it are refused at once. It cannot be brought back.',
    usualMs: 300,
    asks: 'always',
    run: ({ apiKeys }, id) => apiKeys.revoke(id),
  },
  endSession: {
    word: 'end',
    past: 'ended',
    noun: 'session',
    consequence: 'The user has to sign in again there.',
    usualMs: 300,
    asks: 'always',
    run: ({ sessions }, id) => sessions.end(id),
  },
} as const satisfies Record<string, ConfirmedKind>;

const KINDS = {
  ...CONFIRMED,
  // Its name is asked for: `screens/deletion.ts`.
  delete: {
    word: 'delete',
    past: 'deleted',
    noun: 'database',
    usualMs: 1_500,
    run: ({ databases }, name) => databases.delete(name),
  },
  // A form asks for the role: `screens/account-actions.ts`.
  setRole: {
    word: 'change the role of',
    past: 'changed the role of',
    noun: 'user',
    usualMs: 500,
    run: ({ users }, id, role) => users.update(id, { role: role as Role }),
  },
} as const satisfies Record<string, ActionKind>;

export type Verb = keyof typeof KINDS;
export const ACTIONS: Readonly<Record<Verb, ActionKind>> = KINDS;

export type ConfirmedVerb = keyof typeof CONFIRMED;
export const CONFIRMED_ACTIONS: Readonly<Record<ConfirmedVerb, ConfirmedKind>> = CONFIRMED;

/** What somebody wants done, and to what. */
export interface Action<V extends Verb = Verb> {
  verb: V;
  names: readonly string[];
  /** What it hits, where the names do not tell: `12 dead tasks`. */
  what?: string;
  /** What is set, where the verb sets something. */
  value?: string;
}

/** `2024-01-15-001-johndoe`, `37 instances`. */
export function actionTarget({ verb, names, what }: Action): string {
  if (what !== undefined) return what;
  const [only] = names;
  return names.length === 1 && only !== undefined ? only : plural(names.length, ACTIONS[verb].noun);
}

export function needsConfirmation({ verb, names }: Action<ConfirmedVerb>): boolean {
  return CONFIRMED_ACTIONS[verb].asks === 'always' || names.length > 1;
}
