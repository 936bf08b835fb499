/// A writer waits for the disk during a checkpoint. The queue writes all the time: with a WAL of ten times the size, it waits ten
/// times less often. Reading the WAL at the next start takes well under a second.
onBootstrap((e) => {
  e.next();
  e.app.nonconcurrentDB().newQuery('PRAGMA wal_autocheckpoint = 10000').execute();
});
