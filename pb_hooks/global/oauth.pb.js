/// The client secrets of sign-in providers come from the environment and stay in memory: PocketBase stores collections in plain
/// text.

onBootstrap((e) => {
  e.next();
  require(`${__hooks}/lib/oauth.js`).fillSecrets(e.app);
});

// After each of these PocketBase reads the collections again.
for (const after of [
  onCollectionAfterCreateSuccess,
  onCollectionAfterUpdateSuccess,
  onCollectionAfterDeleteSuccess,
]) {
  after((e) => {
    e.next();
    require(`${__hooks}/lib/oauth.js`).fillSecrets(e.app);
  });
}
