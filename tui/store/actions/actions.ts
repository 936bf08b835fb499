import type { Role } from '../../../shared/api/accounts/permissions.ts';
import type { FathomClient } from '../../../shared/client/fathom-client.ts';
import { plural } from '../text/format.ts';

/** The HTTP calls that the console uses. They reject with an error whose message is a sentence. */
export type FleetCommands = Pick<
  FathomClient,
  | 'audit'
  | 'apiKeys'
  | 'backups'
  | 'daemon'
  | 'databases'
  | 'events'
  | 'invitations'
  | 'nodes'
  | 'queue'
  | 'replicas'
  | 'sessions'
  | 'trash'
  | 'usage'
  | 'users'
>;

interface ActionKind {
  /** The imperative, the past tense, and the kind of its targets. */
  word: string;
  past: string;
  noun: string;
  /** Usual duration in milliseconds, until this console has measured its own. */
  usualMs: number;
  /** Resolves when the action is done. */
  run(commands: FleetCommands, name: string, value: string): Promise<unknown>;
}

/** An action that the user confirms with a key. */
interface ConfirmedKind extends ActionKind {
  /** When to ask: always if users lose access, otherwise only for several targets. */
  asks: 'always' | 'if several';
  /** Shown in the question. */
  consequence: string;
}

const CONFIRMED = {
  start: {
    word: 'start',
    past: 'started',
    noun: 'instance',
    consequence: 'All of them start, also instances that failed or that an administrator stopped.',
    usualMs: 1_500,
    asks: 'if several',
    run: ({ databases }, name) => databases.start(name),
  },
  stop: {
    word: 'stop',
    past: 'stopped',
    noun: 'instance',
    consequence: 'The users have no access until the next start. No data is lost.',
    usualMs: 1_500,
    asks: 'always',
    run: ({ databases }, name) => databases.stop(name),
  },
  restart: {
    word: 'restart',
    past: 'restarted',
    noun: 'instance',
    consequence: 'The users have no access for a few seconds. No data is lost.',
    usualMs: 3_000,
    asks: 'always',
    run: ({ databases }, name) => databases.restart(name),
  },
  sleep: {
    word: 'sleep',
    past: 'put to sleep',
    noun: 'instance',
    consequence: 'The next request starts each of them again. Instances with open connections keep running.',
    usualMs: 500,
    asks: 'if several',
    run: ({ databases }, name) => databases.sleep(name),
  },
  wake: {
    word: 'wake',
    past: 'woke',
    noun: 'instance',
    consequence: 'All of them that sleep start.',
    usualMs: 500,
    asks: 'if several',
    run: ({ databases }, name) => databases.wake(name),
  },
  backUp: {
    word: 'back up',
    past: 'backed up',
    noun: 'database',
    consequence: 'All of them are backed up, also when nothing has changed.',
    usualMs: 2_000,
    asks: 'if several',
    run: ({ backups }, name) => backups.create(name, {}),
  },
  drill: {
    word: 'prove the backup of',
    past: 'proved the backup of',
    noun: 'database',
    consequence: 'Each last backup is restored beside its database, started and tested, one at a time.',
    usualMs: 5_000,
    asks: 'if several',
    run: proveBackup,
  },
  undelete: {
    word: 'undelete',
    past: 'undeleted',
    noun: 'database',
    consequence: 'Its data and a deleted account come back. The owner can sign in again.',
    usualMs: 2_000,
    asks: 'always',
    run: ({ trash }, name) => trash.undelete(name),
  },
  retry: {
    word: 'retry',
    past: 'retried',
    noun: 'task',
    consequence: 'The tasks start again with their first attempt.',
    usualMs: 300,
    asks: 'if several',
    run: ({ queue }, id) => queue.retry(id),
  },
  cancel: {
    word: 'cancel',
    past: 'cancelled',
    noun: 'task',
    consequence: 'Running tasks stop, and pending tasks never start. A cancelled task cannot be resumed.',
    usualMs: 300,
    asks: 'always',
    run: ({ queue }, id) => queue.cancel(id),
  },
  retryFailures: {
    word: 'retry',
    past: 'retried',
    noun: 'error',
    consequence: 'The tasks start again with their first attempt, as many at a time as the queue allows.',
    usualMs: 1_000,
    asks: 'always',
    run: ({ queue }, signature) => queue.retryDead({ signature }),
  },
  pause: {
    word: 'pause',
    past: 'paused',
    noun: 'queue',
    consequence: 'No task starts, also after a restart of the daemon. Running tasks continue.',
    usualMs: 300,
    asks: 'always',
    run: ({ queue }) => queue.pause(),
  },
  resume: {
    word: 'resume',
    past: 'resumed',
    noun: 'queue',
    consequence: 'Pending tasks start again.',
    usualMs: 300,
    asks: 'if several',
    run: ({ queue }) => queue.resume(),
  },
  deactivate: {
    word: 'deactivate',
    past: 'deactivated',
    noun: 'user',
    consequence: 'All sessions and tokens end, and the user cannot sign in. The database and its data stay.',
    usualMs: 500,
    asks: 'always',
    run: ({ users }, id) => users.update(id, { is_active: false }),
  },
  activate: {
    word: 'activate',
    past: 'activated',
    noun: 'user',
    consequence: 'The user can sign in again.',
    usualMs: 500,
    asks: 'always',
    run: ({ users }, id) => users.update(id, { is_active: true }),
  },
  signOut: {
    word: 'sign out',
    past: 'signed out',
    noun: 'user',
    consequence: 'All sessions, tokens and API keys end: the user must sign in again everywhere.',
    usualMs: 500,
    asks: 'always',
    run: ({ sessions }, id) => sessions.endAll({ user_id: id }),
  },
  revokeKey: {
    word: 'revoke',
    past: 'revoked',
    noun: 'API key',
    consequence: 'Programs that use this key lose access immediately. A revoked key cannot be restored.',
    usualMs: 300,
    asks: 'always',
    run: ({ apiKeys }, id) => apiKeys.revoke(id),
  },
  endSession: {
    word: 'end',
    past: 'ended',
    noun: 'session',
    consequence: 'The user must sign in again on that device.',
    usualMs: 300,
    asks: 'always',
    run: ({ sessions }, id) => sessions.end(id),
  },
  revokeInvitation: {
    word: 'revoke',
    past: 'revoked',
    noun: 'invitation',
    consequence: 'The invitation cannot be used any more. Accounts that were created with it stay.',
    usualMs: 300,
    asks: 'always',
    run: ({ invitations }, id) => invitations.revoke(id),
  },
} as const satisfies Record<string, ConfirmedKind>;

const KINDS = {
  ...CONFIRMED,
  // A form asks for the name of the database: `screens/databases/deletion.ts`.
  delete: {
    word: 'delete',
    past: 'deleted',
    noun: 'database',
    usualMs: 1_500,
    run: ({ databases }, name) => databases.delete(name),
  },
  // A form asks for the name of the database: `screens/backups/restoring.ts`.
  restore: {
    word: 'restore',
    past: 'restored',
    noun: 'database',
    usualMs: 10_000,
    run: ({ backups }, name, id) => backups.restore(name, id, {}),
  },
  // A form asks for the time and the name of the database: `screens/backups/restoring.ts`.
  restoreTime: {
    word: 'restore',
    past: 'restored',
    noun: 'database',
    usualMs: 10_000,
    run: ({ backups }, name, at) => backups.restore(name, 'latest', { at }),
  },
  // A form asks for the role: `screens/accounts/account-actions.ts`.
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

/** An action and its targets. */
export interface Action<V extends Verb = Verb> {
  verb: V;
  names: readonly string[];
  /** The targets in words, if their names are not meaningful: `12 dead tasks`. */
  what?: string;
  /** The new value, for verbs that set one. */
  value?: string;
}

/** @throws Error with the reason when the last backup is not proven */
async function proveBackup({ backups }: FleetCommands, name: string): Promise<void> {
  const { backup, problem } = await backups.drill(name);
  if (problem !== null) throw new Error(`the drill of ${backup} failed: ${problem}`);
}

/** The targets in words: `2024-01-15-001-johndoe`, `37 instances`. */
export function actionTarget({ verb, names, what }: Action): string {
  if (what !== undefined) return what;
  const [only] = names;
  return names.length === 1 && only !== undefined ? only : plural(names.length, ACTIONS[verb].noun);
}

export function needsConfirmation({ verb, names }: Action<ConfirmedVerb>): boolean {
  return CONFIRMED_ACTIONS[verb].asks === 'always' || names.length > 1;
}
