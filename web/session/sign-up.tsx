import { useServices } from '../services.ts';
import { Field } from '../widgets/field.tsx';
import { Form } from '../widgets/form.tsx';
import { Screen } from '../widgets/screen.tsx';
import { Providers } from './providers.tsx';

export function SignUp() {
  const { client, keeper } = useServices();
  return (
    <Screen title="Sign up">
      <p>You get a database of your own: a PocketBase with its own URL.</p>
      <Form
        button="Sign up"
        onSubmit={async ({ email = '', password = '', name }) => {
          await keeper.signedIn(await client.auth.register({ email, password, ...(name ? { name } : {}) }));
          location.replace('#/');
        }}
      >
        <Field label="E-mail address" name="email" type="email" autoComplete="username" maxLength={254} />
        <Field label="Name (optional)" name="name" autoComplete="name" maxLength={255} required={false} />
        <Field
          label="Password"
          name="password"
          type="password"
          autoComplete="new-password"
          minLength={8}
          hint="At least 8 characters. Four words that do not belong together are hard to guess."
        />
      </Form>
      <Providers />
      <p>
        You have an account? <a href="#/">Sign in</a>
      </p>
    </Screen>
  );
}
