/**
 * Sets the client secrets of the sign-in providers in PocketBase's cached collection, which PocketBase never saves.
 * Source: core/collection_query.go, FindCachedCollectionByNameOrId.
 *
 * @param {CoreApp} app
 */
function fillSecrets(app) {
  const secrets = JSON.parse($os.getenv('FATHOM_OAUTH_SECRETS') || '{}');
  if (Object.keys(secrets).length === 0 || !app.hasTable('users')) return;
  const { providers } = app.findCachedCollectionByNameOrId('users').oauth2;
  for (let at = 0; at < providers.length; at += 1) {
    const provider = providers[at];
    const secret = provider && secrets[provider.name];
    if (provider && secret) provider.clientSecret = secret;
  }
}

module.exports = { fillSecrets };
