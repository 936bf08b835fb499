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

/** The screens of an account, in the order of the navigation. */
const SCREENS: Readonly<Record<string, ScreenEntry>> = {
  '/': { title: 'My database', render: (props) => <DatabaseScreen {...props} /> },
  '/quick-start': { title: 'Quick start', render: (props) => <QuickStartScreen {...props} /> },
  '/records': { title: 'My records', hasParts: true, render: (props) => <RecordsScreen {...props} /> },
  '/log': { title: 'Log', render: (props) => <LogScreen {...props} /> },
  '/tasks': { title: 'Tasks', hasParts: true, render: (props) => <TasksScreen {...props} /> },
  '/backups': { title: 'Backups', render: (props) => <BackupsScreen {...props} /> },
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
      {session !== null && <Navigation route={route} />}
      <main>
        {session === null ? <SignedOut route={route} /> : <SignedIn route={route} session={session} />}
      </main>
    </>
  );
}

function SignedOut({ route }: { route: string }) {
  return route === '/sign-up' ? <SignUp /> : <SignIn />;
}

function SignedIn({ route, session }: { route: string; session: Session }) {
  const { keeper } = useServices();
  // Open on every screen, so that the end of the session shows at once.
  const live = useLiveDatabase(session.user.id);
  const isNew = live.instance !== null && session.database?.name !== live.instance.name;
  useEffect(() => {
    // The session is older than the database, so it has no token for it.
    if (isNew) keeper.renew().catch(() => undefined);
  }, [isNew, keeper]);
  const { path, parts } = screenOf(route);
  const screen = Object.hasOwn(SCREENS, path) ? SCREENS[path] : undefined;
  if (screen !== undefined && (parts.length === 0 || screen.hasParts))
    return screen.render({ session, live, parts });
  return (
    <Screen title="There is no such page">
      <p>
        <a href="#/">Go to my database</a>
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

function Navigation({ route }: { route: string }) {
  const { path: shown } = screenOf(route);
  return (
    <nav aria-label="Screens">
      <ul>
        {Object.entries(SCREENS).map(([path, { title }]) => (
          <li key={path}>
            <a href={`#${path}`} aria-current={path === shown ? 'page' : undefined}>
              {title}
            </a>
          </li>
        ))}
      </ul>
    </nav>
  );
}
