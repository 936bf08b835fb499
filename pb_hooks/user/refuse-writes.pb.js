/// Refuses writes, except those of Fathom itself. Reads, sign-ins and deletions stay possible. Loaded only while a database is
/// over its disk limit, or while the disk of the host is nearly full.

for (const beforeWrite of [
  onRecordCreateRequest,
  onRecordUpdateRequest,
  onCollectionCreateRequest,
  onCollectionUpdateRequest,
  onCollectionsImportRequest,
]) {
  beforeWrite((e) => require(`${__hooks}/_fathom/full-database.js`).refuse(e));
}

routerUse((e) => require(`${__hooks}/_fathom/full-database.js`).refuseRoute(e));
