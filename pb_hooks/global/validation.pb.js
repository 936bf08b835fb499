/// Fields that an administrator adds to the tables of Fathom, or makes stricter, apply to what is written into them from then on.

onRecordValidate((e) => {
  if (e.record.isNew()) return e.next();
  return require(`${__hooks}/lib/validation.js`).validateChanges(e);
}, 'users');

// The daemon alone writes these, and does not know the fields that others add.
onRecordValidate(
  (e) => require(`${__hooks}/lib/validation.js`).validateChanges(e),
  'sessions',
  'api_keys',
  'user_databases',
  'global_queue',
  'queue_schedules',
  'queue_settings',
  'sealed_secrets',
  'audit_log',
);
