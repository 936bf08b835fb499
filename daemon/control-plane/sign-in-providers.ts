import type { OAuthConfig } from '../config/oauth.ts';
import type { ControlPlaneClient } from './client.ts';

/** As PocketBase keeps a provider of a collection. */
interface Provider {
  name: string;
  clientId: string;
  clientSecret: string;
  pkce?: boolean;
  authURL?: string;
  tokenURL?: string;
  userInfoURL?: string;
  displayName?: string;
}

/** Switches on the configured providers at the global PocketBase, and every other one off. */
export async function configureSignInProviders(
  client: ControlPlaneClient,
  oauth: OAuthConfig,
): Promise<void> {
  const providers = providersOf(oauth);
  await client.call((pocketbase) =>
    pocketbase.collections.update('users', {
      oauth2: { enabled: providers.length > 0, providers, mappedFields: { name: 'name' } },
    }),
  );
}

function providersOf({ google, github, oidc }: OAuthConfig): Provider[] {
  const providers: Provider[] = [];
  if (google) providers.push({ name: 'google', ...google });
  if (github) providers.push({ name: 'github', ...github });
  if (oidc) {
    const { clientId, clientSecret, authUrl, tokenUrl, userInfoUrl, displayName } = oidc;
    providers.push({
      name: 'oidc',
      clientId,
      clientSecret,
      pkce: true,
      authURL: authUrl,
      tokenURL: tokenUrl,
      userInfoURL: userInfoUrl,
      ...(displayName === null ? {} : { displayName }),
    });
  }
  return providers;
}
