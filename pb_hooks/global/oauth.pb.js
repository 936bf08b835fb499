/// The secrets of sign-in providers come from the environment and are held in memory alone: PocketBase keeps collections as they
/// are, and in them these would lie open in its file.

onBootstrap((e) => {
  e.next();
  require(`${__hooks}/lib/oauth.js`).fillSecrets(e.app);
});

// Each makes PocketBase read the collections anew.
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
