import type { OAuthClient, OAuthConfig } from '../../config/oauth.ts';
import type { ControlPlaneClient } from '../../control-plane/client.ts';

/**
 * A provider in the settings of a collection. Every member must be sent: PocketBase keeps a missing member of the provider
 * that was at the same index before, and would send a secret to the wrong address.
 */
interface Provider {
  name: string;
  clientId: string;
  clientSecret: string;
  /** Null, empty URLs and empty names select PocketBase's defaults. */
  pkce: boolean | null;
  authURL: string;
  tokenURL: string;
  userInfoURL: string;
  displayName: string;
  extra: null;
}

const DEFAULTS = { pkce: null, authURL: '', tokenURL: '', userInfoURL: '', displayName: '', extra: null };

/**
 * Enables the configured providers at the global PocketBase and disables all others. Secrets are not stored in the
 * collection, which is not encrypted: the process has them in its environment (`pb_hooks/global/oauth.pb.js`).
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
  if (google) providers.push({ ...DEFAULTS, name: 'google', ...withoutSecret(google) });
  if (github) providers.push({ ...DEFAULTS, name: 'github', ...withoutSecret(github) });
  if (oidc) {
    const { authUrl, tokenUrl, userInfoUrl, displayName } = oidc;
    providers.push({
      ...DEFAULTS,
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

/** PocketBase requires a value. It has the length of the secret, because a hook overwrites it in place. */
function withoutSecret({ clientId, clientSecret }: OAuthClient): OAuthClient {
  return { clientId, clientSecret: '*'.repeat(Buffer.byteLength(clientSecret)) };
}
