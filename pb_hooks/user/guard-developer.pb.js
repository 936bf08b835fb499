/// Keeps what Fathom manages from the superuser of a developer's database. Loaded only in those.

routerUse((e) => require(`${__hooks}/_fathom/developer-requests.js`).admit(e));

onSettingsUpdateRequest((e) => {
  require(`${__hooks}/_fathom/developer-settings.js`).check(e);
  e.next();
});

// An import saves collections without a request of their own, and before PocketBase validates them. Errors of the others do
// not keep their status.
for (const beforeSave of [
  onCollectionCreateRequest,
  onCollectionUpdateRequest,
  onCollectionCreate,
  onCollectionUpdate,
]) {
  beforeSave((e) => {
    require(`${__hooks}/_fathom/developer-collections.js`).checkSaved(e);
    e.next();
  });
}

onCollectionsImportRequest((e) => {
  try {
    e.next();
  } catch (error) {
    throw require(`${__hooks}/_fathom/developer-import.js`).describeFailure(error);
  }
});

onCollectionDelete((e) => {
  require(`${__hooks}/_fathom/developer-collections.js`).checkDeleted(e);
  e.next();
});

for (const beforeChange of [onRecordCreate, onRecordUpdate, onRecordDelete]) {
  beforeChange((e) => {
    require(`${__hooks}/_fathom/developer-requests.js`).refuseChangeOf(e, 'superusers');
    e.next();
  }, '_superusers');
}

for (const beforeChange of [onRecordCreate, onRecordDelete]) {
  beforeChange((e) => {
    require(`${__hooks}/_fathom/developer-requests.js`).refuseChangeOf(e, 'users');
    e.next();
  }, 'users');
}
