import { createContext, use, useSyncExternalStore } from 'react';
import type { Session } from '../shared/api/accounts/auth.ts';
import type { FathomClient } from '../shared/client/client-methods.ts';
import type { SessionKeeper } from './session/session-keeper.ts';
import type { SessionStore } from './session/session-store.ts';

interface Services {
  /** The address of the daemon, which ends with a slash. */
  base: string;
  client: FathomClient;
  keeper: SessionKeeper;
  store: SessionStore;
  /** Of this tab. */
  storage: Storage;
  /** The end of a sign-in at a provider; null if the page was opened in another way. */
  returned: Promise<unknown> | null;
}

export const ServicesContext = createContext<Services | null>(null);

export function useServices(): Services {
  const services = use(ServicesContext);
  if (services === null) throw new Error('the services are missing around this component');
  return services;
}

export function useSession(): Session | null {
  const { store } = useServices();
  return useSyncExternalStore(store.subscribe, () => store.current);
}
