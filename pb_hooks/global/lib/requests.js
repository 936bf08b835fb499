// Admits requests with a body, and those of superusers.

const daemon = require('./daemon.js');
const limits = require('../rules/requests.js');
const passwords = require('./passwords.js');
const superuser = require('./superuser.js');

const { isFromDaemon } = daemon;
const { bodyProblem, isEmailChange } = limits;

/** @param {core.RequestEvent} e */
function admit(e) {
  const path = e.request.url?.path ?? '';
  if (isFromDaemon(e)) {
    // On behalf of a client.
    if (isEmailChange(path)) passwords.checkEmailChange(e);
    return e.next();
  }
  if (e.hasSuperuserAuth()) return e.request.method === 'GET' ? e.next() : superuser.reportRequest(e);
  const problem = bodyProblem(e.request.contentLength);
  if (problem) throw new ApiError(problem.status, problem.message);
  if (isEmailChange(path)) passwords.checkEmailChange(e);
  return e.next();
}

module.exports = { admit };
