import type { ApiKey } from '../../../shared/api/accounts/api-keys.ts';
import type { Invitation } from '../../../shared/api/accounts/invitations.ts';
import { ROLES } from '../../../shared/api/accounts/permissions.ts';
import type { SessionRow } from '../../../shared/api/accounts/sessions.ts';
import type { User } from '../../../shared/api/accounts/users.ts';
import { COPY_KEYS } from '../../keys/bindings.ts';
import type { Command } from '../../keys/commands.ts';
import { type CopyChoice, copyChoices, rowText } from '../../store/copy/copy-choice.ts';
import { type FleetState, instanceOfUser, lastEndedAction } from '../../store/fleet/fleet-state.ts';
import { olderStatus, readLatest } from '../../store/pages/latest.ts';
import { type DataNeeds, type PageRequest, pageOf } from '../../store/pages/pages.ts';
import { cursorIndex } from '../../store/view/cursor.ts';
import { wordFilter } from '../../store/view/filter.ts';
import { ACCOUNT_TABS, type AccountTab, type Location } from '../../store/view/location.ts';
import { cursorOf, filterOf, limitOf } from '../../store/view/ui-state.ts';
import { paintSplit, type Span } from '../../widgets/line.ts';
import { drawTable } from '../../widgets/table.ts';
import { type TabStrip, tabSpans } from '../../widgets/tabs.ts';
import { type Console, type ConsoleState, type Size, stateOf, type View } from '../console.ts';
import { noMatchText, positionSpans } from '../events/older-items.ts';
import { loadError, loadingSpan } from '../frame/hints.ts';
import { detailRows, withDetail } from '../frame/list-detail.ts';
import { openSpot, switchTo } from '../input/navigate.ts';
import type { List, OlderItems, Screen } from '../screen.ts';
import { endSession, revokeInvitation, revokeKey, runUserCommand } from './account-actions.ts';
import { invitationColumns, isUnproved, keyColumns, sessionColumns, userColumns } from './account-columns.ts';

export const ACCOUNT_NOUNS: Readonly<Record<AccountTab, string>> = {
  users: 'User',
  keys: 'API key',
  sessions: 'Session',
  invitations: 'Invitation',
};
const TITLES: Readonly<Record<AccountTab, string>> = {
  users: 'Users',
  keys: 'API keys',
  sessions: 'Sessions',
  invitations: 'Invitations',
};

type Account = User | ApiKey | SessionRow | Invitation;

/** Users, API keys, sessions and invitations. */
export const accountsScreen: Screen = {
  place: ({ at }) => tabOf(at),
  lines: accountsLines,
  list: listOf,
  tabs: ({ ui }) => ({ row: 0, strip: stripOf(tabOf(ui.at)), turn: switchToTab }),
  instance: ({ fleet, ui }) => {
    const state = { fleet, ui };
    const account = chosenOf(state);
    return instanceOfUser(fleet.instances, account === undefined ? null : ownerIdOf(account))?.name ?? null;
  },
  describe(state) {
    const chosen = chosenOf(state);
    return chosen === undefined ? null : { kind: 'account', tab: tabOf(state.ui.at), id: chosen.id };
  },
  copies: copiesOf,
  command: ({ ui }) => accountCommand(tabOf(ui.at)),
  needs: (state) => accountNeeds(state, tabOf(state.ui.at)),
  run,
};

function tabOf(at: Location): AccountTab {
  return at.screen === 'accounts' ? at.tab : 'users';
}

/** The `fathomd` command that shows the same; null for sessions, which have none. */
export function accountCommand(tab: AccountTab, id?: string): string | null {
  if (tab === 'users') return id === undefined ? 'users list' : `users show ${id}`;
  if (tab === 'invitations') return 'invitations list';
  return tab === 'keys' ? 'keys list' : null;
}

function listId(tab: AccountTab): string {
  return `accounts:${tab}`;
}

/** The part of a filter that the daemon searches in all users: part of an e-mail address or of a database name. */
function searchOf(filter: string): string | undefined {
  const [word = ''] = filter.split(/\s+/);
  const other = word.startsWith('!') || [...ROLES, 'active', 'inactive'].some((one) => one.startsWith(word));
  if (word === '' || other) return undefined;
  const part = word.replace(/^\d{4}-\d{2}-\d{2}-\d+-/, '').replaceAll('\\', '');
  return part === '' ? undefined : part;
}

export function accountNeeds({ fleet, ui }: Pick<ConsoleState, 'fleet' | 'ui'>, tab: AccountTab): DataNeeds {
  const limit = limitOf(ui, listId(tab));
  // Actions of this console may change the accounts.
  const version = `${limit} ${lastEndedAction(fleet)}`;
  const search = tab === 'users' ? searchOf(filterOf(ui, listId('users'))) : undefined;
  // Keys and sessions contain only user ids: the e-mail addresses come from the users.
  const users: PageRequest = {
    slot: 'users',
    key: search ?? '',
    version,
    load: (to) => readLatest(limit, idOf, (page) => to.users.list({ ...page, search, sort: '-created' })),
  };
  if (tab === 'users') return { pages: [users] };
  const invitations: PageRequest = {
    slot: 'invitations',
    key: '',
    version,
    load: (to) => readLatest(limit, idOf, (page) => to.invitations.list(page)),
  };
  if (tab === 'invitations') return { pages: [users, invitations] };
  const own: PageRequest =
    tab === 'keys'
      ? {
          slot: 'keys',
          key: '',
          version,
          load: (to) => readLatest(limit, idOf, (page) => to.apiKeys.list(page)),
        }
      : {
          slot: 'sessions',
          key: '',
          version,
          load: (to) => readLatest(limit, idOf, (page) => to.sessions.list({ ...page, all: true })),
        };
  return { pages: [users, own] };
}

function idOf({ id }: Account): string {
  return id;
}

function pageFor({ fleet, ui }: Pick<ConsoleState, 'fleet' | 'ui'>, tab: AccountTab) {
  if (tab !== 'users') return pageOf(fleet, tab, '');
  return pageOf(fleet, 'users', searchOf(filterOf(ui, listId('users'))) ?? '');
}

/** The account from the last loaded page. */
export function accountOf({ pages }: FleetState, tab: AccountTab, id: string): Account | undefined {
  const items: readonly Account[] = pages[tab]?.value?.items ?? [];
  return items.find((one) => one.id === id);
}

function isUser(account: Account): account is User {
  return 'role' in account;
}

function isInvitation(account: Account): account is Invitation {
  return 'max_uses' in account;
}

/** The user of an account. An invitation has none. */
function ownerIdOf(account: Account): string | null {
  if (isInvitation(account)) return null;
  return isUser(account) ? account.id : account.user_id;
}

/** The e-mail address of a user if it is loaded, else the id. */
function ownerOf(fleet: FleetState, id: string): string {
  const user = fleet.pages.users?.value?.items.find((one) => one.id === id);
  return user?.email ?? instanceOfUser(fleet.instances, id)?.email ?? id;
}

const cache = new WeakMap<FleetState, Map<string, readonly Account[]>>();

/** Cached for each state of the fleet, because several parts of the screen use it. */
function accountsOf({ fleet, ui }: Pick<ConsoleState, 'fleet' | 'ui'>): readonly Account[] {
  const tab = tabOf(ui.at);
  const filter = filterOf(ui, listId(tab));
  const made = cache.get(fleet) ?? new Map<string, readonly Account[]>();
  cache.set(fleet, made);
  const key = `${tab} ${filter}`;
  const all: readonly Account[] = pageFor({ fleet, ui }, tab)?.value?.items ?? [];
  const matches = wordFilter(filter);
  const accounts =
    made.get(key) ?? (matches === null ? all : all.filter((one) => matches(cellsOf(fleet, one).join('\n'))));
  made.set(key, accounts);
  return accounts;
}

/** The texts of a row, for the filter and the clipboard. */
function cellsOf(fleet: FleetState, account: Account): (string | null)[] {
  if (isUser(account)) {
    const { email, name, role, is_active, database, created } = account;
    const proof = isUnproved(account) ? 'unverified' : '';
    return [email, name, role, is_active ? 'active' : 'inactive', database, created, proof];
  }
  if (isInvitation(account)) {
    const { id, email, state, plan, created, expires_at } = account;
    return [id, email, state, plan, created, expires_at];
  }
  const owner = ownerOf(fleet, account.user_id);
  if ('prefix' in account) {
    const { name, prefix, permissions, expires_at, last_used_at } = account;
    return [name, owner, `fk_${prefix}`, permissions.join(' '), expires_at, last_used_at];
  }
  return [owner, account.address, account.user_agent, account.created, account.expires_at];
}

function chosenOf(state: Pick<ConsoleState, 'fleet' | 'ui'>): Account | undefined {
  const accounts = accountsOf(state);
  return accounts[indexIn(state, accounts)];
}

function indexIn({ ui }: Pick<ConsoleState, 'ui'>, accounts: readonly Account[]): number {
  return cursorIndex(
    accounts.map(({ id }) => id),
    cursorOf(ui, listId(tabOf(ui.at))),
  );
}

function listOf(state: ConsoleState): List {
  const tab = tabOf(state.ui.at);
  return {
    id: listId(tab),
    keys: accountsOf(state).map(({ id }) => id),
    from: () => 2,
    room: listRows,
    filterHint: tab === 'users' ? 'e-mail, name, role, active, database' : 'name, owner, address, …',
    older: olderItems(state),
  };
}

/** Rows without the tabs, the heading and the details. */
function listRows(size: Size): number {
  return Math.max(1, size.rows - 2 - detailRows(size));
}

function olderItems(state: ConsoleState): OlderItems {
  const id = listId(tabOf(state.ui.at));
  const page = pageFor(state, tabOf(state.ui.at));
  return {
    id,
    error: page?.error ?? null,
    status: olderStatus(page ?? { value: null }, limitOf(state.ui, id)),
  };
}

function copiesOf(state: ConsoleState): CopyChoice[] {
  const account = chosenOf(state);
  if (account === undefined) return [];
  const ownerId = ownerIdOf(account);
  const owner = isInvitation(account) ? account.email : ownerId && ownerOf(state.fleet, ownerId);
  return copyChoices(
    [COPY_KEYS.id, 'the id', account.id],
    [COPY_KEYS.owner, 'the e-mail address', owner],
    [COPY_KEYS.database, 'the database', 'database' in account ? account.database : null],
    [COPY_KEYS.keyPrefix, 'the start of the key', 'prefix' in account ? `fk_${account.prefix}` : null],
    [COPY_KEYS.address, 'the address', 'address' in account ? account.address : null],
    [COPY_KEYS.row, 'the row', rowText(cellsOf(state.fleet, account))],
    [COPY_KEYS.json, 'all fields as JSON', JSON.stringify(account, null, 2)],
  );
}

function run(console: Console, command: Command): boolean {
  const state = stateOf(console);
  const tab = tabOf(state.ui.at);
  const chosen = chosenOf(state);
  const turn = (by: number) =>
    switchToTab(console, (ACCOUNT_TABS.indexOf(tab) + by + ACCOUNT_TABS.length) % ACCOUNT_TABS.length);
  switch (command) {
    case 'tab.next':
      return turn(1);
    case 'tab.previous':
      return turn(-1);
    case 'open':
      if (chosen !== undefined)
        openSpot(console, { screen: 'describe', thing: { kind: 'account', tab, id: chosen.id } });
      return true;
    case 'key.revoke':
      revokeKey(console, chosen !== undefined && 'prefix' in chosen ? chosen : undefined);
      return true;
    case 'invitation.revoke':
      revokeInvitation(console, chosen !== undefined && isInvitation(chosen) ? chosen : undefined);
      return true;
    case 'session.end': {
      const session = chosen !== undefined && 'address' in chosen ? chosen : undefined;
      endSession(console, session, session === undefined ? '' : ownerOf(state.fleet, session.user_id));
      return true;
    }
    default:
      return runUserCommand(console, command, chosen !== undefined && isUser(chosen) ? chosen : undefined);
  }
}

function switchToTab(console: Console, index: number): true {
  switchTo(console, { screen: 'accounts', tab: ACCOUNT_TABS[index] ?? 'users' });
  return true;
}

function stripOf(tab: AccountTab): TabStrip {
  const titles = ACCOUNT_TABS.map((one) => TITLES[one]);
  return { before: [['plain', ' ']], titles, chosen: ACCOUNT_TABS.indexOf(tab) };
}

function accountsLines(view: View): string[] {
  const { fleet, ui, theme, size } = view;
  const tab = tabOf(ui.at);
  const accounts = accountsOf(view);
  const index = indexIn(view, accounts);
  const page = pageFor(view, tab);
  const filter = filterOf(ui, listId(tab));
  const right: Span[] = [
    ...(filter === '' ? [] : [['warn', `/${filter}  `] as Span]),
    ...positionSpans(index, accounts.length, olderItems(view)),
  ];
  const head = paintSplit(theme, tabSpans(stripOf(tab)), right, size.columns);
  if (page === null || page.value === null) {
    const [token, words] = loadingSpan(page, 'loading');
    return [head, '', theme.paint(token, ` ${words}`)];
  }
  const columns = COLUMNS[tab](view, accounts, (id) => ownerOf(fleet, id));
  const empty = filter === '' ? EMPTY[tab] : noMatchText(olderItems(view));
  const table = drawTable<Account>(
    theme,
    { columns, rows: accounts, keyOf: ({ id }) => id, cursor: cursorOf(ui, listId(tab)), empty },
    size.columns,
    listRows(size),
  );
  return [head, ...withDetail(view, table, detailOf(view, accounts[index], page.error))];
}

const COLUMNS = {
  users: userColumns,
  keys: keyColumns,
  sessions: sessionColumns,
  invitations: invitationColumns,
} as const;

const EMPTY: Readonly<Record<AccountTab, string>> = {
  users: 'No users yet.',
  keys: "No API keys yet. Add one with 'fathomd keys add'.",
  sessions: 'No user is signed in.',
  invitations: "No invitations yet. Create one with 'fathomd invitations create'.",
};

function detailOf({ fleet }: View, account: Account | undefined, error: string | null): Span[] {
  if (error !== null) return [['bad', ` ${loadError(error)}`]];
  if (account === undefined) return [];
  if ('permissions' in account)
    return [['muted', ` ${account.id} · permissions: ${account.permissions.join(', ')}`]];
  if (isInvitation(account)) {
    const proof = account.mailed ? 'its use proves the address' : 'its use proves nothing';
    return [['muted', ` ${account.id} · ${proof}`]];
  }
  if ('user_agent' in account) return [['muted', ` ${account.id} · ${account.user_agent}`]];
  const own = instanceOfUser(fleet.instances, account.id);
  const proof = isUnproved(account) ? 'the e-mail address is not proved' : null;
  const facts = [account.id, account.name, proof, own === null ? null : own.url];
  return [['muted', ` ${facts.filter((fact) => fact !== null && fact !== '').join(' · ')}`]];
}
