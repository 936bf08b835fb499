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
  /** The text of the sign-in button; null uses PocketBase's default. */
  displayName: string | null;
}

/** Sign-in providers of the global PocketBase; null disables one. */
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

/** The client secrets by PocketBase's name of the provider. */
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
  if (clientId !== null) read.problem(secretName, `is required with ${idName}; set both or neither`);
  if (clientSecret !== null) read.problem(idName, `is required with ${secretName}; set both or neither`);
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
    read.problem(name, 'is required with OIDC_CLIENT_ID; copy it from the provider’s discovery document');
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
      'must be an http or https URL without user name and password; copy it from the provider',
    );
  }
  return value;
}
