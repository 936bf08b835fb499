import { useMemo, useSyncExternalStore } from 'react';
import { useServices } from '../services.ts';
import { LiveDatabase, type LiveState } from './live-database.ts';

export interface Live extends LiveState {
  readonly followLog: (name: string) => () => void;
  readonly followTasks: () => () => void;
}

/** The database of a user, as the stream reports it while the screen is open. @param userId null for the connection alone */
export function useLiveDatabase(userId: string | null): Live {
  const { base, client } = useServices();
  const live = useMemo(() => new LiveDatabase(base, client, userId), [base, client, userId]);
  const state = useSyncExternalStore(live.subscribe, () => live.state);
  return { ...state, followLog: live.followLog, followTasks: live.followTasks };
}
