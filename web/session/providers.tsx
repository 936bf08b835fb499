import { useCallback, useEffect, useState } from 'react';
import type { CallOptions } from '../../shared/client/client-methods.ts';
import { useServices } from '../services.ts';
import { ActionButton } from '../widgets/action-button.tsx';
import { Problem } from '../widgets/problem.tsx';
import { useLoad } from '../widgets/use-load.ts';
import { beginAtProvider } from './provider-sign-in.ts';

/** Buttons of the sign-in providers, and how a sign-in at one of them ended. */
export function Providers() {
  const { client, base, storage } = useServices();
  const load = useCallback((options: CallOptions) => client.auth.providers(options), [client]);
  // Without an answer there are no buttons, and the password still works.
  const { data } = useLoad(load);
  const begin = async (name: string) => {
    // A new state for each attempt: this one may be old.
    const { items } = await client.auth.providers();
    const provider = items.find((candidate) => candidate.name === name);
    if (provider !== undefined) beginAtProvider(provider, base, storage);
  };
  return (
    <>
      <Returned />
      {data !== null && data.items.length > 0 && (
        <div className="actions">
          {data.items.map(({ name, display_name }) => (
            <ActionButton key={name} kind="quiet" onClick={() => begin(name)}>
              {`Continue with ${display_name || name}`}
            </ActionButton>
          ))}
        </div>
      )}
    </>
  );
}

/** The sign-in with which the page was opened. It ends with a session, and then another screen is shown. */
function Returned() {
  const { returned } = useServices();
  const [error, setError] = useState<unknown>(null);
  useEffect(() => {
    returned?.catch(setError);
  }, [returned]);
  if (returned === null) return null;
  return error === null ? <p role="status">Signing in…</p> : <Problem error={error} />;
}
