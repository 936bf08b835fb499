import { createContext, use } from 'react';
import type { LiveState } from './live/live-database.ts';

/** The user whose database the screens show. */
export interface View {
  user: { id: string; email: string };
  /** The name of the database, as far as the session or the list of users knows it; null without one. */
  database: string | null;
  /** False for an administrator, who sees what the user sees, and changes nothing. */
  isOwn: boolean;
  /** What the addresses of the screens begin with: `#`, or `#/users/ID`. */
  prefix: string;
}

export const ViewContext = createContext<View | null>(null);

export function useView(): View {
  const view = use(ViewContext);
  if (view === null) throw new Error('the user is missing around this component');
  return view;
}

/** The name of the database; null while there is none. */
export function useDatabaseName({ instance }: LiveState): string | null {
  const { database } = useView();
  return instance?.name ?? database;
}
