import type { ApiKey } from '../../../shared/api/accounts/api-keys.ts';
import type { Invitation } from '../../../shared/api/accounts/invitations.ts';
import { ROLES } from '../../../shared/api/accounts/permissions.ts';
import type { SessionRow } from '../../../shared/api/accounts/sessions.ts';
import type { User } from '../../../shared/api/accounts/users.ts';
import type { Command } from '../../keys/commands.ts';
import { type Console, showNotice } from '../console.ts';
import { openForm } from '../input/forms.ts';
import { openSpot } from '../input/navigate.ts';
import { denialReason, startAction } from '../input/start-action.ts';

/** Runs a command on a user. @returns false for other commands */
export function runUserCommand(console: Console, command: Command, user: User | undefined): boolean {
  switch (command) {
    case 'user.role':
      withUser(console, user, 'users.write', (one) => openForm(console, roleForm(one)));
      return true;
    case 'user.activity':
      withUser(console, user, 'users.write', ({ id, email, is_active }) =>
        startAction(console, { verb: is_active ? 'deactivate' : 'activate', names: [id], what: email }),
      );
      return true;
    case 'user.sign-out':
      withUser(console, user, 'sessions.end', ({ id, email }) =>
        startAction(console, { verb: 'signOut', names: [id], what: email }),
      );
      return true;
    case 'user.instance': {
      const name = user?.database ?? null;
      if (name === null) showNotice(console, user === undefined ? NO_USER : `${user.email} has no database.`);
      else openSpot(console, { screen: 'instance', name, tab: 'summary' });
      return true;
    }
    default:
      return false;
  }
}

const NO_USER = 'No user is selected.';

export function revokeKey(console: Console, key: ApiKey | undefined): void {
  if (key === undefined) return showNotice(console, 'No API key is selected.');
  const why = denialReason(console, 'api-keys.write');
  if (why !== null) return showNotice(console, why);
  startAction(console, {
    verb: 'revokeKey',
    names: [key.id],
    what: `the API key ${key.name} (fk_${key.prefix}…)`,
  });
}

export function endSession(console: Console, session: SessionRow | undefined, owner: string): void {
  if (session === undefined) return showNotice(console, 'No session is selected.');
  const why = denialReason(console, 'sessions.end');
  if (why !== null) return showNotice(console, why);
  const whose = session.current ? 'the session of this console' : `the session of ${owner}`;
  startAction(console, {
    verb: 'endSession',
    names: [session.id],
    what: `${whose} from ${session.address || 'the local socket'}`,
  });
}

export function revokeInvitation(console: Console, invitation: Invitation | undefined): void {
  if (invitation === undefined) return showNotice(console, 'No invitation is selected.');
  const why = denialReason(console, 'invitations.write');
  if (why !== null) return showNotice(console, why);
  const { id, email } = invitation;
  startAction(console, {
    verb: 'revokeInvitation',
    names: [id],
    what: email === null ? `the invitation ${id}` : `the invitation for ${email}`,
  });
}

/** @throws Error with a sentence, if it is not allowed */
export function setRole(console: Console, { id, email }: { id: string; email: string }, role: string): null {
  const why = denialReason(console, 'users.write');
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
  const why = user === undefined ? NO_USER : denialReason(console, permission);
  if (why !== null || user === undefined) return showNotice(console, why ?? '');
  run(user);
}

function roleForm({ id, email, role }: User) {
  return {
    purpose: { kind: 'set-role', id, email },
    title: `Role of ${email}`,
    about: [
      'user: has its own database. viewer: sees everything. operator: can also start, stop and retry.',
      'admin: can do everything. Changing the role signs the user out.',
    ].join('\n'),
    verb: 'change',
    command: `users set ${email} --role ${role}`,
    fields: [{ name: 'role', label: 'Role', value: role, kind: { options: ROLES } }],
    at: 0,
    error: null,
    busy: false,
  } as const;
}
