import type { Session, SignInProvider } from '../../shared/api/accounts/auth.ts';
import type { FathomClient } from '../../shared/client/client-methods.ts';
import { FathomError } from '../../shared/errors.ts';

const KEY = 'fathom.provider';

/** What the tab keeps while the user is at the provider. */
interface Begun {
  name: string;
  state: string;
  verifier: string;
}

/** Leaves the page for the provider, which sends the user back to `base`. */
export function beginAtProvider(
  { name, state, code_verifier, auth_url }: SignInProvider,
  base: string,
  storage: Storage,
): void {
  const url = new URL(auth_url + encodeURIComponent(base));
  if (!/^https?:$/.test(url.protocol))
    throw new FathomError('conflict', 'The address of this provider is not valid. Ask an administrator.');
  storage.setItem(KEY, JSON.stringify({ name, state, verifier: code_verifier } satisfies Begun));
  location.assign(url);
}

/**
 * Ends a sign-in at a provider, if the address of the page is the answer of one. The code is taken out of the address at once.
 *
 * @returns null if it is another address
 */
export function returnFromProvider(
  base: string,
  storage: Storage,
  client: FathomClient,
): Promise<Session> | null {
  const answer = new URLSearchParams(location.search);
  if (!answer.has('state')) return null;
  const begun = readBegun(storage);
  storage.removeItem(KEY);
  history.replaceState(null, '', base);
  return signIn(answer, begun, base, client);
}

async function signIn(
  answer: URLSearchParams,
  begun: Begun | null,
  base: string,
  client: FathomClient,
): Promise<Session> {
  // Otherwise a link could sign the reader in to an account of its author.
  if (begun === null || begun.state !== answer.get('state'))
    throw new FathomError('conflict', 'This sign-in was not begun in this tab. Begin it here.');
  const code = answer.get('code');
  if (code === null) {
    const reason = answer.get('error') === 'access_denied' ? 'You ended the sign-in' : 'The sign-in failed';
    throw new FathomError('auth.failed', `${reason} at the provider.`);
  }
  return client.auth.signInByProvider(begun.name, {
    code,
    code_verifier: begun.verifier,
    redirect_url: base,
  });
}

function readBegun(storage: Storage): Begun | null {
  try {
    const value = JSON.parse(storage.getItem(KEY) ?? 'null') as Partial<Begun> | null;
    const { name, state, verifier } = value ?? {};
    return typeof name === 'string' && typeof state === 'string' && typeof verifier === 'string'
      ? { name, state, verifier }
      : null;
  } catch {
    // Another release wrote it.
    return null;
  }
}
