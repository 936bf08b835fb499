/**
 * Puts the secrets into the collection that PocketBase holds in memory, which is never saved from there.
 * Source: core/collection_query.go, FindCachedCollectionByNameOrId.
 */
function fillSecrets(app) {
  const secrets = JSON.parse($os.getenv('FATHOM_OAUTH_SECRETS') || '{}');
  if (Object.keys(secrets).length === 0 || !app.hasTable('users')) return;
  const { providers } = app.findCachedCollectionByNameOrId('users').oauth2;
  for (let at = 0; at < providers.length; at += 1) {
    const secret = secrets[providers[at].name];
    if (secret) providers[at].clientSecret = secret;
  }
}

module.exports = { fillSecrets };
