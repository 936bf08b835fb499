/// Refuses writes, except those of Fathom itself. Reads, sign-ins and deletions stay possible. Loaded only while a database is
/// over its disk limit, or while the disk of the host is nearly full.

for (const beforeWrite of [
  onRecordCreateRequest,
  onRecordUpdateRequest,
  onCollectionCreateRequest,
  onCollectionUpdateRequest,
  onCollectionsImportRequest,
]) {
  beforeWrite((e) => {
    // The owner of a developer's database is a superuser, too.
    if (e.auth && e.hasSuperuserAuth() && e.auth.email() === 'fathom@localhost.internal') return e.next();
    /** @type {{ code: string }} */
    const { code } = JSON.parse(toString($os.readFile(`${__hooks}/_fathom/refuse-writes.json`)));
    const message =
      code === 'disk_reserve'
        ? 'The server has no space for new data at the moment. Try again later.'
        : 'The database has reached its disk limit. Delete records or files.';
    throw new ApiError(507, message, { database: new ValidationError(code, message) });
  });
}
