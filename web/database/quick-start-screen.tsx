import { useState } from 'react';
import type { Session } from '../../shared/api/accounts/auth.ts';
import type { LiveState } from '../live/live-database.ts';
import { useServices } from '../services.ts';
import { ActionButton } from '../widgets/action-button.tsx';
import { Copyable } from '../widgets/copyable.tsx';
import { Notice } from '../widgets/notice.tsx';
import { Screen } from '../widgets/screen.tsx';
import { Tabs } from '../widgets/tabs.tsx';
import { EXAMPLES } from './examples.ts';
import { NoDatabase } from './no-database.tsx';

const HIDDEN = 'YOUR_TOKEN';

export function QuickStartScreen({ session, live }: { session: Session; live: LiveState }) {
  const { keeper } = useServices();
  const [isShown, setShown] = useState(false);
  const { database } = session;
  const toggle = async () => {
    // A restore ends tokens, also one by an administrator. A token that has ended reads empty lists.
    if (!isShown) await keeper.renew();
    setShown(!isShown);
  };
  // The database may have another port than at the sign-in.
  const url = live.instance?.url ?? database?.url ?? null;
  return (
    <Screen title="Quick start">
      {database === null || database.name === '' ? (
        <NoDatabase session={session} />
      ) : (
        <>
          {url === null || database.token === null ? (
            <Notice kind="info">
              The database did not run when you signed in. Start it on <a href="#/">My database</a>, then get
              a token.
            </Notice>
          ) : (
            <p>
              Use any client of PocketBase with the URL and the token of your database. The token is valid for
              a few days, and the client can renew it. Everyone who has it can read and change your data.
            </p>
          )}
          <div className="actions">
            {database.token !== null && (
              <ActionButton isPressed={isShown} onClick={toggle}>
                Show the token
              </ActionButton>
            )}
            <ActionButton kind="quiet" onClick={() => keeper.renew()}>
              Get a new token
            </ActionButton>
          </div>
          <Tabs
            label="Client"
            tabs={EXAMPLES.map(({ title, code }) => ({
              title,
              content: (
                <Copyable block what={`example for ${title}`}>
                  {code({
                    url: url ?? 'https://YOUR_DATABASE',
                    token: isShown ? (database.token ?? HIDDEN) : HIDDEN,
                  })}
                </Copyable>
              ),
            }))}
          />
        </>
      )}
    </Screen>
  );
}
