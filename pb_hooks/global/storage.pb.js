/// A checkpoint makes whoever writes wait for the disk. The queue writes all day: with a larger log it waits ten times more
/// rarely, and what lies in the log is read back in well under a second at the next start.
onBootstrap((e) => {
  e.next();
  e.app.nonconcurrentDB().newQuery('PRAGMA wal_autocheckpoint = 10000').execute();
});
