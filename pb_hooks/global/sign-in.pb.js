/// Sign-ins straight at the global PocketBase count against the same limits as those through Fathom's API, and are told of.

onRecordAuthWithPasswordRequest((e) => {
  const daemon = require(`${__hooks}/lib/daemon.js`);
  if (daemon.isFromDaemon(e)) {
    e.next();
    return;
  }
  const attempt = { collection: e.collection.name, identity: e.identity, ...daemon.originOf(e) };
  const verdict = daemon.tell(e.app, '/internal/sign-ins/begun', attempt, 3);
  if (verdict && verdict.retry_after_s) {
    require(`${__hooks}/lib/sign-in.js`).refuse(e, 'Too many sign-ins have failed.', verdict.retry_after_s);
  }
  let ok = false;
  try {
    e.next();
    ok = true;
  } finally {
    daemon.tell(
      e.app,
      '/internal/sign-ins/ended',
      { ...attempt, ok, attempt: verdict ? verdict.attempt : '', user_id: e.record ? e.record.id : '' },
      3,
    );
  }
});

onRecordCreateRequest((e) => {
  const daemon = require(`${__hooks}/lib/daemon.js`);
  if (e.hasSuperuserAuth() || daemon.isFromDaemon(e)) {
    e.next();
    return;
  }
  const asked = { ...daemon.originOf(e), refused: false };
  const verdict = daemon.tell(e.app, '/internal/sign-ups', asked, 3);
  if (verdict && verdict.retry_after_s) {
    require(`${__hooks}/lib/sign-in.js`).refuse(e, 'Too many accounts.', verdict.retry_after_s);
  }
  let made = false;
  try {
    e.next();
    made = true;
  } finally {
    if (!made) daemon.tell(e.app, '/internal/sign-ups', { ...asked, refused: true }, 3);
  }
}, 'users');

onRecordAuthWithOAuth2Request((e) => require(`${__hooks}/lib/sign-in.js`).audited(e, e.providerName));

// By a code that was sent to the address. PocketBase counts those that are wrong itself.
onRecordAuthWithOTPRequest((e) =>
  require(`${__hooks}/lib/sign-in.js`).audited(e, e.record ? e.record.email() : ''),
);
