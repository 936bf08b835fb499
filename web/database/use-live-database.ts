import { useMemo, useSyncExternalStore } from 'react';
import { useServices } from '../services.ts';
import { LiveDatabase, type LiveState } from './live-database.ts';

/** The own database, as the stream reports it while the screen is open. */
export function useLiveDatabase(userId: string): LiveState {
  const { base, client } = useServices();
  const live = useMemo(() => new LiveDatabase(base, client, userId), [base, client, userId]);
  return useSyncExternalStore(live.subscribe, () => live.state);
}
