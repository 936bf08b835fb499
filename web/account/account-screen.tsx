import { useCallback, useState } from 'react';
import type { Session } from '../../shared/api/accounts/auth.ts';
import type { CallOptions } from '../../shared/client/client-methods.ts';
import { useServices } from '../services.ts';
import { ConfirmButton } from '../widgets/confirm-button.tsx';
import { Form } from '../widgets/form.tsx';
import { Notice } from '../widgets/notice.tsx';
import { Problem } from '../widgets/problem.tsx';
import { Screen } from '../widgets/screen.tsx';
import { Time } from '../widgets/time.tsx';
import { useLoad } from '../widgets/use-load.ts';
import { deviceOf } from './device.ts';

const SHOWN = 100;

export function AccountScreen({ session }: { session: Session }) {
  return (
    <Screen title="Account">
      <p>E-mail address: {session.user.email}</p>
      <Password email={session.user.email} />
      <Sessions session={session} />
    </Screen>
  );
}

function Password({ email }: { email: string }) {
  const { client } = useServices();
  const [isSent, setSent] = useState(false);
  return (
    <section aria-labelledby="password">
      <h2 id="password">Password</h2>
      <p>
        A mail with a link lets you set a new password. It signs out all devices and revokes your API keys.
      </p>
      {isSent && (
        <Notice kind="done">
          The mail is on its way to {email}. Look into the folder for spam as well. If none arrives, the
          server may send no mails: ask an administrator.
        </Notice>
      )}
      <Form
        button="Send the mail"
        onSubmit={async () => {
          await client.mails.requestPasswordReset({ email });
          setSent(true);
        }}
      />
    </section>
  );
}

function Sessions({ session }: { session: Session }) {
  const { client, store } = useServices();
  const userId = session.user.id;
  const load = useCallback(
    (options: CallOptions) => client.sessions.list({ user_id: userId, per_page: SHOWN }, options),
    [client, userId],
  );
  const { data, error, reload } = useLoad(load);
  return (
    <section aria-labelledby="sessions">
      <h2 id="sessions">Sessions</h2>
      <p>Where your account is signed in. End those that you do not know, and set a new password.</p>
      {error !== null && <Problem error={error} />}
      <ul className="list">
        {data?.items.map(({ id, user_agent, address, created, current }) => (
          <li key={id}>
            <p>
              <strong>{deviceOf(user_agent)}</strong>
              {current && ' (this tab)'}
            </p>
            <p className="hint">
              Signed in from {address}, <Time at={created} />
            </p>
            {!current && (
              <ConfirmButton
                label={`End the session of ${deviceOf(user_agent)}`}
                question="End this session?"
                explanation={`${deviceOf(user_agent)} at ${address} has to sign in again.`}
                confirm="End the session"
                onConfirm={async () => {
                  await client.sessions.end(id);
                  reload();
                }}
              >
                End
              </ConfirmButton>
            )}
          </li>
        ))}
      </ul>
      <ConfirmButton
        question="Sign out everywhere?"
        explanation="All sessions, API keys and tokens of your database end, also this session."
        confirm="Sign out everywhere"
        onConfirm={async () => {
          await client.sessions.endAll();
          store.end(session.token, 'signed_out');
        }}
      >
        Sign out everywhere
      </ConfirmButton>
    </section>
  );
}
