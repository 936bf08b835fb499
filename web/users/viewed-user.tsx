import { type ReactNode, useCallback } from 'react';
import type { CallOptions } from '../../shared/client/client-methods.ts';
import { useServices } from '../services.ts';
import { ViewContext } from '../view.ts';
import { Problem } from '../widgets/problem.tsx';
import { Screen } from '../widgets/screen.tsx';
import { useLoad } from '../widgets/use-load.ts';

interface ViewedUserProps {
  id: string;
  /** The navigation and the screen. */
  children: ReactNode;
}

/** The pages of a user for an administrator, with a banner that says whose they are. */
export function ViewedUser({ id, children }: ViewedUserProps) {
  const { client } = useServices();
  const load = useCallback((options: CallOptions) => client.users.get(id, options), [client, id]);
  const { data: user, error } = useLoad(load);
  if (error !== null)
    return (
      <Screen title="There is no such user">
        <Problem error={error} />
        <p>
          <a href="#/">All users</a>
        </p>
      </Screen>
    );
  if (user === null) return <p role="status">Loading…</p>;
  const { email, database } = user;
  return (
    <ViewContext value={{ user: { id, email }, database, isOwn: false, prefix: `#/users/${id}` }}>
      <aside className="banner" aria-label="Whose pages these are">
        <p>
          You see the pages of <strong>{email}</strong>. You can change nothing here.
        </p>
        <p>
          <a href="#/">All users</a>
        </p>
      </aside>
      {children}
    </ViewContext>
  );
}
