import { useState, useSyncExternalStore } from 'react';
import type { Credentials } from '../../shared/api/accounts/auth.ts';
import { isDeletedByOwner } from '../../shared/deletion.ts';
import { useServices } from '../services.ts';
import { Field } from '../widgets/field.tsx';
import { Form } from '../widgets/form.tsx';
import { Notice } from '../widgets/notice.tsx';
import { Screen } from '../widgets/screen.tsx';
import { Providers } from './providers.tsx';
import type { SignedOut } from './session-store.ts';

const SIGNED_OUT: Readonly<Record<NonNullable<SignedOut>, string>> = {
  ended: 'Your session has ended. Sign in again.',
  signed_out: 'You are signed out.',
  password_changed: 'Your password is changed. Sign in with the new one.',
  account_deleted: 'Your account is deleted.',
};

interface DeletedAccount {
  reason: string;
  credentials: Credentials;
}

export function SignIn() {
  const { base, client, keeper, store } = useServices();
  const signedOut = useSyncExternalStore(store.subscribe, () => store.signedOut);
  const [deleted, setDeleted] = useState<DeletedAccount | null>(null);
  const signIn = async (credentials: Credentials) => keeper.signedIn(await client.auth.login(credentials));
  if (deleted !== null)
    return (
      <Screen key="deleted" title="Your account is deleted">
        <p>{deleted.reason}</p>
        <Form
          button="Bring it back"
          onSubmit={async () => {
            await client.ownAccount.undelete(deleted.credentials);
            await signIn(deleted.credentials);
          }}
        />
        <p>
          <button type="button" className="quiet" onClick={() => setDeleted(null)}>
            Use another account
          </button>
        </p>
      </Screen>
    );
  return (
    <Screen title="Sign in">
      {signedOut && <Notice kind="info">{SIGNED_OUT[signedOut]}</Notice>}
      <Form
        button="Sign in"
        onSubmit={async ({ email = '', password = '' }) => {
          const credentials = { email, password };
          try {
            await signIn(credentials);
          } catch (error) {
            if (!isDeletedByOwner(error)) throw error;
            setDeleted({ reason: error.message, credentials });
          }
        }}
      >
        <Field label="E-mail address" name="email" type="email" autoComplete="username" maxLength={255} />
        <Field label="Password" name="password" type="password" autoComplete="current-password" />
      </Form>
      <Providers />
      <p>
        <a href={`${base}account/reset-password`}>Forgotten password?</a>
      </p>
      <p>
        No account yet? <a href="#/sign-up">Sign up</a>
      </p>
    </Screen>
  );
}
