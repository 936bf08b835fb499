import type { ApiKey } from '../../../shared/api/accounts/api-keys.ts';
import type { Invitation } from '../../../shared/api/accounts/invitations.ts';
import type { SessionRow } from '../../../shared/api/accounts/sessions.ts';
import type { User } from '../../../shared/api/accounts/users.ts';
import { shortDuration, since } from '../../store/text/format.ts';
import { type Column, widthFor } from '../../widgets/table.ts';
import type { View } from '../console.ts';

type Account = User | ApiKey | SessionRow | Invitation;
type OwnerOf = (id: string) => string;

/** A column for one kind of account. Each tab lists only one kind. */
function column<T extends Account>(one: {
  title: string;
  width: number;
  align?: 'left' | 'right';
  text: (account: T) => string;
  tone?: (account: T) => 'plain' | 'muted' | 'warn' | 'bad';
}): Column<Account> {
  return one as unknown as Column<Account>;
}

export function userColumns({ size, fleet }: View, accounts: readonly Account[]): Column<Account>[] {
  const users = accounts as readonly User[];
  const email = widthFor(
    users.map((one) => one.email),
    16,
    size.columns < 100 ? 28 : 44,
  );
  return [
    column<User>({ title: 'E-MAIL', width: email, text: (user) => user.email }),
    column<User>({
      title: 'ROLE',
      width: 8,
      text: ({ role }) => role,
      tone: ({ role }) => (role === 'user' ? 'plain' : 'warn'),
    }),
    column<User>({
      title: 'STATE',
      width: 10,
      text: ({ is_active: active }) => (active ? '● active' : '○ inactive'),
      tone: ({ is_active: active }) => (active ? 'plain' : 'muted'),
    }),
    column<User>({
      title: 'PROVED',
      width: 6,
      text: (user) => (isUnproved(user) ? '○ no' : ''),
      tone: (user) => (awaitsProof(user) ? 'warn' : 'muted'),
    }),
    column<User>({
      title: 'AGE',
      width: 5,
      align: 'right',
      text: ({ created }) => shortDuration(since(created, fleet.now)),
    }),
    column<User>({ title: 'DATABASE', width: 0, text: ({ database }) => database ?? '–' }),
  ];
}

/** The e-mail address is not proved. Daemons of earlier releases do not report this. */
export function isUnproved({ verified }: Partial<User>): boolean {
  return verified === false;
}

/** The account gets its database after the proof. */
function awaitsProof(user: User): boolean {
  return isUnproved(user) && user.role === 'user' && user.database === null;
}

export function invitationColumns(
  { size, fleet }: View,
  _: readonly Account[],
  ownerOf: OwnerOf,
): Column<Account>[] {
  return [
    column<Invitation>({
      title: 'FOR',
      width: size.columns < 100 ? 26 : 40,
      text: ({ email }) => email ?? 'every address',
    }),
    column<Invitation>({
      title: 'STATE',
      width: 9,
      text: ({ state }) => state,
      tone: ({ state }) => (state === 'open' ? 'plain' : 'muted'),
    }),
    column<Invitation>({
      title: 'USES',
      width: 9,
      align: 'right',
      text: ({ uses, max_uses: max }) => `${uses} of ${max}`,
    }),
    column<Invitation>({ title: 'EXPIRES', width: 8, text: ({ expires_at: at }) => left(at, fleet.now) }),
    column<Invitation>({ title: 'SENT', width: 5, text: ({ mailed }) => (mailed ? 'mail' : '–') }),
    column<Invitation>({ title: 'PLAN', width: 12, text: ({ plan }) => plan ?? '–' }),
    column<Invitation>({
      title: 'BY',
      width: 0,
      text: ({ created_by: by }) => (by === null ? 'local' : ownerOf(by)),
    }),
  ];
}

export function keyColumns(
  { size, fleet }: View,
  accounts: readonly Account[],
  ownerOf: OwnerOf,
): Column<Account>[] {
  const keys = accounts as readonly ApiKey[];
  const expiry = ({ expires_at: at }: ApiKey) => (at === null ? 'never' : left(at, fleet.now));
  return [
    column<ApiKey>({
      title: 'NAME',
      width: widthFor(
        keys.map(({ name }) => name),
        10,
        24,
      ),
      text: ({ name }) => name,
    }),
    column<ApiKey>({
      title: 'EXPIRES',
      width: 8,
      text: expiry,
      tone: (key) => (expiry(key) === 'expired' ? 'bad' : 'plain'),
    }),
    column<ApiKey>({
      title: 'USED',
      width: 6,
      align: 'right',
      text: ({ last_used_at: at }) => (at === null ? 'never' : shortDuration(since(at, fleet.now))),
    }),
    column<ApiKey>({ title: 'KEY', width: 16, text: ({ prefix }) => `fk_${prefix}` }),
    column<ApiKey>({
      title: 'OWNER',
      width: size.columns < 100 ? 20 : 32,
      text: ({ user_id }) => ownerOf(user_id),
    }),
    column<ApiKey>({ title: 'PERMISSIONS', width: 0, text: ({ permissions }) => permissions.join(' ') }),
  ];
}

export function sessionColumns(
  { size, fleet }: View,
  _: readonly Account[],
  ownerOf: OwnerOf,
): Column<Account>[] {
  return [
    column<SessionRow>({
      title: 'USER',
      width: size.columns < 100 ? 24 : 36,
      text: ({ user_id }) => ownerOf(user_id),
    }),
    column<SessionRow>({ title: 'HERE', width: 6, text: ({ current }) => (current ? '◂ this' : '') }),
    column<SessionRow>({
      title: 'SINCE',
      width: 6,
      align: 'right',
      text: ({ created }) => shortDuration(since(created, fleet.now)),
    }),
    column<SessionRow>({ title: 'EXPIRES', width: 8, text: ({ expires_at: at }) => left(at, fleet.now) }),
    column<SessionRow>({ title: 'FROM', width: 16, text: ({ address }) => address || '–' }),
    column<SessionRow>({ title: 'USER AGENT', width: 0, text: ({ user_agent: agent }) => agent }),
  ];
}

/** `in 23 h`, or `expired`. */
function left(at: string, now: number): string {
  const ms = Date.parse(at) - now;
  return ms <= 0 ? 'expired' : `in ${shortDuration(ms)}`;
}
