import type { Variable } from './sources/variables.ts';
import type { ValueReader } from './value-reader.ts';

export interface OAuthClient {
  clientId: string;
  clientSecret: string;
}

export interface OidcClient extends OAuthClient {
  authUrl: string;
  tokenUrl: string;
  userInfoUrl: string;
  /** On the sign-in button; null leaves PocketBase's own word. */
  displayName: string | null;
}

/** Sign-in providers of the global PocketBase; null is switched off. */
export interface OAuthConfig {
  google: OAuthClient | null;
  github: OAuthClient | null;
  oidc: OidcClient | null;
}

export function readOAuth(read: ValueReader): OAuthConfig {
  return {
    google: readClient(read, 'GOOGLE_CLIENT_ID', 'GOOGLE_CLIENT_SECRET'),
    github: readClient(read, 'GITHUB_CLIENT_ID', 'GITHUB_CLIENT_SECRET'),
    oidc: readOidc(read),
  };
}

/** By the name that PocketBase has for the provider. */
export function oauthSecrets({ google, github, oidc }: OAuthConfig): Record<string, string> {
  const clients = Object.entries({ google, github, oidc });
  return Object.fromEntries(
    clients.flatMap(([name, client]) => (client ? [[name, client.clientSecret]] : [])),
  );
}

function readClient(read: ValueReader, idName: Variable, secretName: Variable): OAuthClient | null {
  const clientId = read.text(idName);
  const clientSecret = read.text(secretName);
  if (clientId !== null && clientSecret !== null) return { clientId, clientSecret };
  if (clientId !== null) read.problem(secretName, `is not set while ${idName} is; set both or neither`);
  if (clientSecret !== null) read.problem(idName, `is not set while ${secretName} is; set both or neither`);
  return null;
}

function readOidc(read: ValueReader): OidcClient | null {
  const client = readClient(read, 'OIDC_CLIENT_ID', 'OIDC_CLIENT_SECRET');
  if (client === null) return null;
  return {
    ...client,
    authUrl: readEndpoint(read, 'OIDC_AUTH_URL'),
    tokenUrl: readEndpoint(read, 'OIDC_TOKEN_URL'),
    userInfoUrl: readEndpoint(read, 'OIDC_USER_INFO_URL'),
    displayName: read.text('OIDC_DISPLAY_NAME'),
  };
}

function readEndpoint(read: ValueReader, name: Variable): string {
  const value = read.text(name);
  if (value === null) {
    read.problem(name, 'is not set while OIDC_CLIENT_ID is; copy it from the provider’s discovery document');
    return '';
  }
  const url = URL.parse(value);
  if (
    url === null ||
    !['http:', 'https:'].includes(url.protocol) ||
    url.username !== '' ||
    url.password !== ''
  ) {
    read.problem(
      name,
      'is not an http or https URL without user name and password; copy it from the provider',
    );
  }
  return value;
}
