/// Fields that an administrator adds to Fathom's tables, or makes stricter, apply only to values that are written afterwards.

onRecordValidate((e) => {
  if (e.record.isNew()) return e.next();
  return require(`${__hooks}/lib/validation.js`).validateChanges(e);
}, 'users');

// Only the daemon writes these tables. It does not know added fields.
onRecordValidate(
  (e) => require(`${__hooks}/lib/validation.js`).validateChanges(e),
  'invitations',
  'plans',
  'sessions',
  'api_keys',
  'user_databases',
  'global_queue',
  'queue_schedules',
  'queue_settings',
  'sealed_secrets',
  'audit_log',
  'backup_erasures',
);
