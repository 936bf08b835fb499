// Admits requests with a body, and those of superusers.

const daemon = require('./daemon.js');
const limits = require('../rules/requests.js');
const superuser = require('./superuser.js');

const { isFromDaemon } = daemon;
const { bodyProblem } = limits;

/** @param {core.RequestEvent} e */
function admit(e) {
  if (isFromDaemon(e)) return e.next();
  if (e.hasSuperuserAuth()) return e.request.method === 'GET' ? e.next() : superuser.reportRequest(e);
  const problem = bodyProblem(e.request.contentLength);
  if (problem) throw new ApiError(problem.status, problem.message);
  return e.next();
}

module.exports = { admit };
