import { StrictMode } from 'react';
import { createRoot } from 'react-dom/client';
import { createFetchClient } from '../shared/client/fetch-client.ts';
import { App } from './app.tsx';
import { ServicesContext } from './services.ts';
import { returnFromProvider } from './session/provider-sign-in.ts';
import { SessionKeeper } from './session/session-keeper.ts';
import { SessionStore } from './session/session-store.ts';

const base = new URL('.', document.baseURI).href;
const store = new SessionStore(sessionStorage);
const client = createFetchClient({
  base,
  token: () => store.current?.token,
  onRefused: (token) => store.end(token),
});
const keeper = new SessionKeeper(client, store, ({ token }) =>
  createFetchClient({ base, token: () => token, onRefused: () => {} }).auth.refresh({ role: 'viewer' }),
);
keeper.start();
const returned =
  returnFromProvider(base, sessionStorage, client)?.then((session) => keeper.signedIn(session)) ?? null;
// The screen shows why it failed.
returned?.catch(() => undefined);

const root = document.getElementById('root');
if (root === null) throw new Error('the page has no element for the application');
createRoot(root).render(
  <StrictMode>
    <ServicesContext value={{ base, client, keeper, store, storage: sessionStorage, returned }}>
      <App />
    </ServicesContext>
  </StrictMode>,
);
