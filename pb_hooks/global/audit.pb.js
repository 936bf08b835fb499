/// The audit log takes rows from the daemon alone, and gives none back. What superusers do here by hand is told to the daemon.

// {rows}: all or none. 409 when the chain has gone on without them.
routerAdd(
  'POST',
  '/api/fathom/audit',
  (e) => {
    const rows = e.requestInfo().body.rows;
    try {
      e.app.runInTransaction((tx) => {
        const collection = tx.findCollectionByNameOrId('audit_log');
        for (const row of rows) {
          const record = new Record(collection);
          for (const field of Object.keys(row)) record.set(field, row[field]);
          tx.save(record);
        }
      });
    } catch (error) {
      throw new ApiError(409, String(error), {});
    }
    return e.noContent(204);
  },
  $apis.requireSuperuserAuth(),
);

onRecordUpdate(() => {
  throw new ForbiddenError('The audit log is only added to.');
}, 'audit_log');

onRecordDelete(() => {
  throw new ForbiddenError('The audit log is only added to.');
}, 'audit_log');

onRecordCreateRequest(() => {
  throw new ForbiddenError('The audit log is written by the daemon.');
}, 'audit_log');

onRecordCreateRequest((e) => {
  e.next();
  require(`${__hooks}/lib/superuser.js`).changedRecord(e, 'create');
});

onRecordUpdateRequest((e) => {
  e.next();
  require(`${__hooks}/lib/superuser.js`).changedRecord(e, 'update');
});

onRecordDeleteRequest((e) => {
  e.next();
  require(`${__hooks}/lib/superuser.js`).changedRecord(e, 'delete');
});
