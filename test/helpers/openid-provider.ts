import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Provider } from 'oidc-provider';
import PocketBase, { type RecordAuthResponse } from 'pocketbase';

export const CLIENT = { client_id: 'fathom', client_secret: 'a client secret that is long enough' };
/** Nothing listens there: `browse` reads the code out of the redirection. */
export const REDIRECT = 'https://app.example.com/callback';

/** Says that ann's address is its own, which the provider has not verified. */
export const LIAR = 'mallory';

export interface OpenIdProvider {
  /** The settings with which Fathom signs people in there. */
  settings: Record<string, string>;
  close(): void;
}

/**
 * A provider of OpenID Connect with people whose e-mail address is the name that was typed in, at example.com.
 *
 * @param redirects further addresses to which it sends people back
 */
export async function openIdProvider(redirects: readonly string[] = []): Promise<OpenIdProvider> {
  const server = createServer();
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const issuer = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const provider = new Provider(issuer, {
    clients: [{ ...CLIENT, redirect_uris: [REDIRECT, ...redirects] }],
    claims: { openid: ['sub'], email: ['email', 'email_verified'], profile: ['name'] },
    findAccount: (_, id) => ({
      accountId: id,
      claims: () => ({
        sub: id,
        email: `${id === LIAR ? 'ann' : id}@example.com`,
        email_verified: id !== LIAR,
        name: 'Ann',
      }),
    }),
    cookies: { keys: ['a key of this test alone'] },
  });
  const answer = provider.callback();
  server.on('request', (request, response) => void answer(request, response));
  return {
    settings: {
      OIDC_CLIENT_ID: CLIENT.client_id,
      OIDC_CLIENT_SECRET: CLIENT.client_secret,
      OIDC_AUTH_URL: `${issuer}/auth`,
      OIDC_TOKEN_URL: `${issuer}/token`,
      OIDC_USER_INFO_URL: `${issuer}/me`,
    },
    close: () => {
      server.closeAllConnections();
      server.close();
    },
  };
}

/** Signs in at the global PocketBase with OpenID Connect, as an application without the popup of the SDK does. */
export async function signInWithCode(
  globalUrl: string,
  login: string,
  createData?: object,
): Promise<RecordAuthResponse> {
  // A new client: a client that is signed in would link the provider to its account.
  const users = new PocketBase(globalUrl).collection('users');
  const { code, verifier } = await codeFor(globalUrl, login);
  return users.authWithOAuth2Code('oidc', code, verifier, REDIRECT, createData);
}

export async function codeFor(globalUrl: string, login: string): Promise<{ code: string; verifier: string }> {
  const { oauth2 } = await new PocketBase(globalUrl).collection('users').listAuthMethods();
  const provider = oauth2.providers.find(({ name }) => name === 'oidc');
  const back = await browse(`${provider?.authURL}${encodeURIComponent(REDIRECT)}`, login);
  return { code: back.searchParams.get('code') ?? '', verifier: provider?.codeVerifier ?? '' };
}

/** What a browser does: follows, keeps cookies, types in a name, agrees; until it is sent back. */
export async function browse(start: string, login: string): Promise<URL> {
  const cookies = new Map<string, string>();
  let [url, form] = [start, null as URLSearchParams | null];
  for (let step = 0; step < 20; step += 1) {
    const response = await fetch(url, {
      redirect: 'manual',
      method: form ? 'POST' : 'GET',
      headers: { cookie: [...cookies].map(([name, value]) => `${name}=${value}`).join('; ') },
      ...(form ? { body: form } : {}),
    });
    for (const cookie of response.headers.getSetCookie()) {
      const [pair = ''] = cookie.split(';');
      cookies.set(pair.slice(0, pair.indexOf('=')), pair.slice(pair.indexOf('=') + 1));
    }
    const location = response.headers.get('location');
    if (location?.startsWith(REDIRECT)) return new URL(location);
    if (location !== null) {
      [url, form] = [new URL(location, url).href, null];
      continue;
    }
    const page = await response.text();
    const action = /action="([^"]+)"/.exec(page)?.[1];
    const prompt = /name="prompt" value="(\w+)"/.exec(page)?.[1];
    if (!action || !prompt) throw new Error(`no form: ${page.slice(0, 500)}`);
    [url, form] = [new URL(action, url).href, new URLSearchParams({ prompt, login, password: 'x' })];
  }
  throw new Error('the sign-in does not end');
}
