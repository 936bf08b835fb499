/// Sign-ins at the global PocketBase count against the limits of Fathom's API. The daemon logs them.

onRecordAuthWithPasswordRequest((e) => {
  const { callDaemon, isFromDaemon, originOf } = require(`${__hooks}/lib/daemon.js`);
  if (isFromDaemon(e)) {
    e.next();
    return;
  }
  const attempt = { collection: e.collection.name, identity: e.identity, ...originOf(e) };
  const { isRefusedSuperuser } = require(`${__hooks}/rules/superuser-addresses.js`);
  if (isRefusedSuperuser(e)) {
    const report = { ...attempt, ok: false, attempt: '', user_id: '' };
    callDaemon(e.app, '/internal/sign-ins/ended', { ...report, action: 'sign-in' }, 3);
    throw new ForbiddenError();
  }
  const verdict = callDaemon(e.app, '/internal/sign-ins/begun', attempt, 3);
  if (verdict && verdict.retry_after_s) {
    require(`${__hooks}/lib/sign-in.js`).refuse(e, 'Too many sign-ins have failed.', verdict.retry_after_s);
  }
  let ok = false;
  try {
    e.next();
    ok = true;
  } finally {
    callDaemon(
      e.app,
      '/internal/sign-ins/ended',
      {
        ...attempt,
        action: 'sign-in',
        ok,
        attempt: verdict ? verdict.attempt : '',
        user_id: e.record ? e.record.id : '',
      },
      3,
    );
  }
});

onRecordAuthWithOAuth2Request((e) => require(`${__hooks}/lib/sign-in.js`).reportSignIn(e, e.providerName));

// With a code that was sent by e-mail. PocketBase limits wrong codes itself.
onRecordAuthWithOTPRequest((e) =>
  require(`${__hooks}/lib/sign-in.js`).reportSignIn(e, e.record ? e.record.email() : ''),
);
