/// Limits failed sign-ins per account and per network. Loaded only while many sign-ins of a database fail.

onRecordAuthWithPasswordRequest((e) => {
  const attempt = require(`${__hooks}/_fathom/sign-in-limits.js`).begin(e);
  // When this throws, the attempt stays counted.
  e.next();
  attempt.succeeded();
});
