/// Only the daemon adds rows to the audit log, and moves old ones into its archive. No row is changed. The daemon also logs what
/// superusers do here.

// Adds all rows or none (AppendAuditRequest). 409: another row has the same place in the chain.
routerAdd(
  'POST',
  '/api/fathom/audit',
  (e) => {
    /** @type {import('../../shared/hooks/control-plane-routes.ts').AppendAuditRequest} */
    const { rows } = e.requestInfo().body;
    try {
      e.app.runInTransaction((tx) => {
        const collection = tx.findCollectionByNameOrId('audit_log');
        for (const row of rows) {
          const record = new Record(collection);
          for (const [field, value] of Object.entries(row)) record.set(field, value);
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

// Removes archived rows (RemoveAuditRequest), all or none. The last row stays: the next one is linked to it.
routerAdd(
  'POST',
  '/api/fathom/audit/archived',
  (e) => {
    /** @type {import('../../shared/hooks/control-plane-routes.ts').RemoveAuditRequest} */
    const { rows } = e.requestInfo().body;
    e.app.runInTransaction((tx) => {
      const last = new DynamicModel({ seq: 0 });
      tx.db().newQuery('SELECT coalesce(max(seq), 0) AS seq FROM audit_log').one(last);
      for (const { seq, hash } of rows) {
        if (seq === last.seq) continue;
        tx.db()
          .newQuery('DELETE FROM audit_log WHERE seq = {:seq} AND hash = {:hash}')
          .bind({ seq, hash: String(hash) })
          .execute();
      }
    });
    return e.noContent(204);
  },
  $apis.requireSuperuserAuth(),
);

onRecordUpdate(() => {
  throw new ForbiddenError('Rows of the audit log cannot be changed.');
}, 'audit_log');

onRecordDelete(() => {
  throw new ForbiddenError('Rows of the audit log cannot be deleted.');
}, 'audit_log');

onRecordCreateRequest(() => {
  throw new ForbiddenError('Only the daemon writes the audit log.');
}, 'audit_log');

onRecordCreateRequest((e) => {
  e.next();
  require(`${__hooks}/lib/superuser.js`).reportRecord(e, 'create');
});

onRecordUpdateRequest((e) => {
  e.next();
  require(`${__hooks}/lib/superuser.js`).reportRecord(e, 'update');
});

onRecordDeleteRequest((e) => {
  e.next();
  require(`${__hooks}/lib/superuser.js`).reportRecord(e, 'delete');
});
