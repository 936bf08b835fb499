import type { OAuthClient, OAuthConfig } from '../../config/oauth.ts';
import type { ControlPlaneClient } from '../../control-plane/client.ts';

/**
 * As PocketBase keeps a provider of a collection. Each member is told, always: what is left out keeps what the provider had that
 * stood in the same place of the list before, and a secret would go to the wrong address.
 */
interface Provider {
  name: string;
  clientId: string;
  clientSecret: string;
  /** Null leaves PocketBase's own default; so do empty URLs and names. */
  pkce: boolean | null;
  authURL: string;
  tokenURL: string;
  userInfoURL: string;
  displayName: string;
  extra: null;
}

const ITS_OWN = { pkce: null, authURL: '', tokenURL: '', userInfoURL: '', displayName: '', extra: null };

/**
 * Switches on the configured providers at the global PocketBase, and every other one off. The table of collections is not
 * encrypted, so the secrets are not put there: the process has them in its environment (`pb_hooks/global/oauth.pb.js`).
 */
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
  if (google) providers.push({ ...ITS_OWN, name: 'google', ...withoutSecret(google) });
  if (github) providers.push({ ...ITS_OWN, name: 'github', ...withoutSecret(github) });
  if (oidc) {
    const { authUrl, tokenUrl, userInfoUrl, displayName } = oidc;
    providers.push({
      ...ITS_OWN,
      name: 'oidc',
      ...withoutSecret(oidc),
      pkce: true,
      authURL: authUrl,
      tokenURL: tokenUrl,
      userInfoURL: userInfoUrl,
      displayName: displayName ?? '',
    });
  }
  return providers;
}

/** PocketBase wants something there, as long as the secret: its place is filled while requests may be reading it. */
function withoutSecret({ clientId, clientSecret }: OAuthClient): OAuthClient {
  return { clientId, clientSecret: '*'.repeat(Buffer.byteLength(clientSecret)) };
}
