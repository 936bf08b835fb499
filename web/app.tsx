import { type ReactNode, useEffect } from 'react';
import type { Session } from '../shared/api/accounts/auth.ts';
import { AccountScreen } from './account/account-screen.tsx';
import { KeysScreen } from './account/keys-screen.tsx';
import { BackupsScreen } from './backups/backups-screen.tsx';
import { DatabaseScreen } from './database/database-screen.tsx';
import { LogScreen } from './database/log-screen.tsx';
import { QuickStartScreen } from './database/quick-start-screen.tsx';
import { type Live, useLiveDatabase } from './live/use-live-database.ts';
import { RecordsScreen } from './records/records-screen.tsx';
import { useRoute } from './routes.ts';
import { useServices, useSession } from './services.ts';
import { SignIn } from './session/sign-in.tsx';
import { SignUp } from './session/sign-up.tsx';
import { TasksScreen } from './tasks/tasks-screen.tsx';
import { UsersScreen } from './users/users-screen.tsx';
import { ViewedUser } from './users/viewed-user.tsx';
import { ViewContext } from './view.ts';
import { Screen } from './widgets/screen.tsx';

interface ScreenProps {
  session: Session;
  live: Live;
  /** What follows the name of the screen in the address. */
  parts: readonly string[];
}

interface ScreenEntry {
  title: string;
  /** The address may have further parts. */
  hasParts?: true;
  render(props: ScreenProps): ReactNode;
}

type Screens = Readonly<Record<string, ScreenEntry>>;

/** The screens of an owner, in the order of the navigation. */
const OWNER_SCREENS: Screens = {
  '/': { title: 'My database', render: (props) => <DatabaseScreen {...props} /> },
  '/quick-start': { title: 'Quick start', render: (props) => <QuickStartScreen {...props} /> },
  '/records': { title: 'My records', hasParts: true, render: (props) => <RecordsScreen {...props} /> },
  '/log': { title: 'Log', render: (props) => <LogScreen {...props} /> },
  '/tasks': { title: 'Tasks', hasParts: true, render: (props) => <TasksScreen {...props} /> },
  '/backups': { title: 'Backups', render: (props) => <BackupsScreen {...props} /> },
  '/keys': { title: 'API keys', render: (props) => <KeysScreen session={props.session} /> },
  '/account': { title: 'Account', render: (props) => <AccountScreen session={props.session} /> },
};

/** What an administrator sees of a user: nothing with secrets. */
const VIEWED_SCREENS: Screens = {
  '/': { title: 'Database', render: (props) => <DatabaseScreen {...props} /> },
  '/records': { title: 'Records', hasParts: true, render: (props) => <RecordsScreen {...props} /> },
  '/log': { title: 'Log', render: (props) => <LogScreen {...props} /> },
  '/tasks': { title: 'Tasks', hasParts: true, render: (props) => <TasksScreen {...props} /> },
  '/backups': { title: 'Backups', render: (props) => <BackupsScreen {...props} /> },
};

const ADMINISTRATOR_SCREENS: Screens = {
  '/': { title: 'Users', render: () => <UsersScreen parts={[]} /> },
  '/keys': { title: 'API keys', render: (props) => <KeysScreen session={props.session} /> },
  '/account': { title: 'Account', render: (props) => <AccountScreen session={props.session} /> },
};

const SIGNED_OUT_SCREENS = ['/sign-in', '/sign-up'];

export function App() {
  const session = useSession();
  const route = useRoute();
  return (
    <>
      {/* Not a link to #main: the part after the # names the screen. */}
      <button type="button" className="skip" onClick={() => document.querySelector('h1')?.focus()}>
        Go to the content
      </button>
      <header>
        <span className="brand">Fathom</span>
        {session !== null && <Account session={session} />}
      </header>
      {session === null ? (
        <main>
          <SignedOut route={route} />
        </main>
      ) : session.user.role === 'user' ? (
        <OwnerPages route={route} session={session} />
      ) : (
        <AdministratorPages route={route} session={session} />
      )}
    </>
  );
}

function SignedOut({ route }: { route: string }) {
  return route === '/sign-up' ? <SignUp /> : <SignIn />;
}

interface PagesProps {
  route: string;
  session: Session;
}

function OwnerPages({ route, session }: PagesProps) {
  const { keeper } = useServices();
  // Open on every screen, so that the end of the session shows at once.
  const live = useLiveDatabase(session.user.id);
  const isNew = live.instance !== null && session.database?.name !== live.instance.name;
  useEffect(() => {
    // The session is older than the database, so it has no token for it.
    if (isNew) keeper.renew().catch(() => undefined);
  }, [isNew, keeper]);
  const { user } = session;
  // Empty while the address is not proved.
  const database = session.database?.name || null;
  const { path, parts } = screenOf(route);
  return (
    <ViewContext value={{ user, database, isOwn: true, prefix: '#' }}>
      <Navigation label="Screens" screens={OWNER_SCREENS} prefix="#" path={path} />
      <main>
        <Chosen screens={OWNER_SCREENS} path={path} session={session} live={live} parts={parts} />
      </main>
    </ViewContext>
  );
}

/** The pages of an account without a database. Its session can only read: see `SessionKeeper`. */
function AdministratorPages({ route, session }: PagesProps) {
  const { path, parts } = screenOf(route);
  const [id, ...rest] = path === '/users' ? parts : [];
  const live = useLiveDatabase(id ?? null);
  const viewed = screenOf(`/${rest.join('/')}`);
  const listed = path === '/find' ? '/' : path;
  return (
    <>
      <Navigation label="Screens" screens={ADMINISTRATOR_SCREENS} prefix="#" path={listed} />
      <main>
        {id !== undefined && (
          <ViewedUser key={id} id={id}>
            <Navigation
              label="Screens of the user"
              screens={VIEWED_SCREENS}
              prefix={`#/users/${id}`}
              path={viewed.path}
            />
            <Chosen screens={VIEWED_SCREENS} session={session} live={live} {...viewed} />
          </ViewedUser>
        )}
        {path === '/find' && <UsersScreen parts={parts} />}
        {id === undefined && path !== '/find' && (
          <Chosen screens={ADMINISTRATOR_SCREENS} path={path} session={session} live={live} parts={parts} />
        )}
      </main>
    </>
  );
}

interface ChosenProps extends ScreenProps {
  screens: Screens;
  path: string;
}

function Chosen({ screens, path, ...props }: ChosenProps) {
  const screen = Object.hasOwn(screens, path) ? screens[path] : undefined;
  if (screen !== undefined && (props.parts.length === 0 || screen.hasParts)) return screen.render(props);
  return (
    <Screen title="There is no such page">
      <p>
        <a href="#/">Go to the first page</a>
      </p>
    </Screen>
  );
}

/** @param route like `/records/documents/2` */
function screenOf(route: string): { path: string; parts: readonly string[] } {
  if (SIGNED_OUT_SCREENS.includes(route)) return { path: '/', parts: [] };
  const [, first = '', ...parts] = route.split('/');
  return { path: `/${first}`, parts };
}

function Account({ session }: { session: Session }) {
  const { client, store } = useServices();
  const signOut = async () => {
    try {
      await client.auth.logout();
    } finally {
      // Also without an answer: the tab forgets the session, which ends at its time.
      store.end(session.token, 'signed_out');
    }
  };
  return (
    <div className="account">
      <span className="address">{session.user.email}</span>
      <button type="button" className="quiet" onClick={() => void signOut().catch(() => undefined)}>
        Sign out
      </button>
    </div>
  );
}

interface NavigationProps {
  label: string;
  screens: Screens;
  prefix: string;
  /** Of the shown screen. */
  path: string;
}

function Navigation({ label, screens, prefix, path: shown }: NavigationProps) {
  return (
    <nav aria-label={label}>
      <ul>
        {Object.entries(screens).map(([path, { title }]) => (
          <li key={path}>
            <a href={`${prefix}${path}`} aria-current={path === shown ? 'page' : undefined}>
              {title}
            </a>
          </li>
        ))}
      </ul>
    </nav>
  );
}
