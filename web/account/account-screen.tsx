import { useCallback, useState } from 'react';
import type { Session } from '../../shared/api/accounts/auth.ts';
import type { CallOptions } from '../../shared/client/client-methods.ts';
import { useServices } from '../services.ts';
import { ConfirmButton } from '../widgets/confirm-button.tsx';
import { Field } from '../widgets/field.tsx';
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
      <Sessions session={session} />
      <Password session={session} />
      <Address />
      {session.user.role === 'user' && <Deletion session={session} />}
    </Screen>
  );
}

function Password({ session }: { session: Session }) {
  const { base, client, store } = useServices();
  return (
    <section aria-labelledby="password">
      <h2 id="password">Password</h2>
      <p>A new password signs out all devices, also this one, and revokes your API keys.</p>
      <Form
        button="Change the password"
        onSubmit={async ({ current_password = '', password = '' }) => {
          await client.ownAccount.changePassword({ current_password, password });
          store.end(session.token, 'password_changed');
        }}
      >
        <CurrentPassword label="Password of today" />
        <Field
          label="New password"
          name="password"
          type="password"
          autoComplete="new-password"
          minLength={8}
        />
      </Form>
      <p>
        You signed in by a provider, or forgot the password?{' '}
        <a href={`${base}account/reset-password`}>Set a new one by mail</a>
      </p>
    </section>
  );
}

function Address() {
  const { client } = useServices();
  const [sentTo, setSentTo] = useState<string | null>(null);
  return (
    <section aria-labelledby="address">
      <h2 id="address">E-mail address</h2>
      <p>A mail with a link goes to the new address. The link changes it.</p>
      {sentTo !== null && (
        <Notice kind="done">
          The mail is on its way to {sentTo}. Look into the folder for spam as well. If none arrives, the
          server may send no mails, or the address has an account: ask an administrator.
        </Notice>
      )}
      <Form
        button="Send the mail"
        onSubmit={async ({ current_password = '', new_email = '' }) => {
          await client.ownAccount.changeAddress({ current_password, new_email });
          setSentTo(new_email);
        }}
      >
        <Field label="New e-mail address" name="new_email" type="email" autoComplete="off" maxLength={254} />
        <CurrentPassword />
      </Form>
    </section>
  );
}

function Deletion({ session }: { session: Session }) {
  const { client, store } = useServices();
  return (
    <section aria-labelledby="deletion">
      <h2 id="deletion">Delete the account</h2>
      <p>Your account and your database are deleted. You can bring them back for a while: sign in again.</p>
      <ConfirmButton
        question="Delete your account and your database?"
        explanation={
          <p>
            Programs can no longer reach your data. To keep it, download a <a href="#/backups">backup</a>{' '}
            first. Your address is <code>{session.user.email}</code>
          </p>
        }
        confirm="Delete everything"
        fields={
          <>
            <Field label="Type your e-mail address" name="email" autoComplete="off" spellCheck={false} />
            <CurrentPassword />
          </>
        }
        onConfirm={async ({ email = '', current_password = '' }) => {
          await client.ownAccount.delete({ email, current_password });
          store.end(session.token, 'account_deleted');
        }}
      >
        Delete the account…
      </ConfirmButton>
    </section>
  );
}

function CurrentPassword({ label = 'Your password' }: { label?: string }) {
  return <Field label={label} name="current_password" type="password" autoComplete="current-password" />;
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
