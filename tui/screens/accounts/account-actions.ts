import { ROLES } from '../../../shared/api/permissions.ts';
import type { ApiKey, SessionRow, User } from '../../../shared/client/fathom-client.ts';
import type { Command } from '../../keys/commands.ts';
import type { Console } from '../console.ts';
import { act } from '../presses/act.ts';
import { openForm } from '../presses/forms.ts';
import { open } from '../presses/navigate.ts';
import { say } from '../presses/say.ts';
import { whyNotAllowed } from '../presses/why-not-allowed.ts';

/** What is done to a user; false for all other commands. */
export function runUserCommand(console: Console, command: Command, user: User | undefined): boolean {
  switch (command) {
    case 'user.role':
      withUser(console, user, 'users.write', (one) => openForm(console, roleForm(one)));
      return true;
    case 'user.activity':
      withUser(console, user, 'users.write', ({ id, email, is_active }) =>
        act(console, { verb: is_active ? 'deactivate' : 'activate', names: [id], what: email }),
      );
      return true;
    case 'user.sign-out':
      withUser(console, user, 'sessions.end', ({ id, email }) =>
        act(console, { verb: 'signOut', names: [id], what: email }),
      );
      return true;
    case 'user.instance': {
      const name = user?.database ?? null;
      if (name === null)
        say(console, user === undefined ? 'There is no user.' : `${user.email} has no database.`);
      else open(console, { screen: 'instance', name, tab: 'summary' });
      return true;
    }
    default:
      return false;
  }
}

export function revokeKey(console: Console, key: ApiKey | undefined): void {
  if (key === undefined) return say(console, 'There is no API key.');
  const why = whyNotAllowed(console, 'api-keys.write');
  if (why !== null) return say(console, why);
  act(console, { verb: 'revokeKey', names: [key.id], what: `the API key ${key.name} (fk_${key.prefix}…)` });
}

export function endSession(console: Console, session: SessionRow | undefined, owner: string): void {
  if (session === undefined) return say(console, 'There is no session.');
  const why = whyNotAllowed(console, 'sessions.end');
  if (why !== null) return say(console, why);
  const whose = session.current ? 'the session of this console' : `the session of ${owner}`;
  act(console, {
    verb: 'endSession',
    names: [session.id],
    what: `${whose} from ${session.address || 'the local socket'}`,
  });
}

/** @throws Error with a sentence, where it must not be done */
export function setRole(console: Console, { id, email }: { id: string; email: string }, role: string): null {
  const why = whyNotAllowed(console, 'users.write');
  if (why !== null) throw new Error(why);
  void console.fleet.actions.run({ verb: 'setRole', names: [id], what: `${email} to ${role}`, value: role });
  return null;
}

function withUser(
  console: Console,
  user: User | undefined,
  permission: string,
  run: (user: User) => void,
): void {
  const why = user === undefined ? 'There is no user.' : whyNotAllowed(console, permission);
  if (why !== null || user === undefined) return say(console, why ?? '');
  run(user);
}

function roleForm({ id, email, role }: User) {
  return {
    purpose: { kind: 'set-role', id, email },
    title: `Role of ${email}`,
    about: [
      'user: has a database of its own. viewer: sees everything. operator: also starts, stops and retries.',
      'admin: may do everything. A new role signs the user out.',
    ].join('\n'),
    verb: 'set it',
    command: `users set ${email} --role ${role}`,
    fields: [{ name: 'role', label: 'Role', value: role, kind: { options: ROLES } }],
    at: 0,
    error: null,
    busy: false,
  } as const;
}
