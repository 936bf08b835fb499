import { useSyncExternalStore } from 'react';
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

export function SignIn() {
  const { base, client, keeper, store } = useServices();
  const signedOut = useSyncExternalStore(store.subscribe, () => store.signedOut);
  return (
    <Screen title="Sign in">
      {signedOut && <Notice kind="info">{SIGNED_OUT[signedOut]}</Notice>}
      <Form
        button="Sign in"
        onSubmit={async ({ email = '', password = '' }) =>
          keeper.signedIn(await client.auth.login({ email, password }))
        }
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
