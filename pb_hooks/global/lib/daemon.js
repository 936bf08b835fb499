// Calls to the daemon. Each says what happened; what follows from it is the daemon's business.

/** True when the daemon itself made this request, and so knows already. */
function isFromDaemon(e) {
  const token = $os.getenv('FATHOM_HOOK_TOKEN');
  return token !== '' && $security.equal(String(e.requestInfo().headers['x_fathom_hook_token'] || ''), token);
}

/** The daemon's JSON answer, or null when it is not there: it catches up by itself when it comes back. */
function tell(app, path, body, timeoutSeconds) {
  const url = $os.getenv('FATHOM_HOOK_URL');
  if (!url) return null;
  try {
    const response = $http.send({
      method: 'POST',
      url: url + path,
      headers: { 'content-type': 'application/json', 'x-fathom-hook-token': $os.getenv('FATHOM_HOOK_TOKEN') },
      body: JSON.stringify(body),
      timeout: timeoutSeconds,
    });
    if (response.statusCode < 300) return response.json;
    app.logger().warn('the Fathom daemon refused a call', 'path', path, 'status', response.statusCode);
  } catch (error) {
    app.logger().warn('the Fathom daemon does not answer', 'path', path, 'error', String(error));
  }
  return null;
}

/** Who connected, and whom a proxy named: the daemon knows which proxies are to be believed. */
function originOf(e) {
  // All of them: requestInfo() gives the first one alone, which whoever calls may have written.
  const { header } = (e.requestEvent || e).request;
  return { peer: e.remoteIP(), forwarded: (header.values('X-Forwarded-For') || []).join(',') };
}

module.exports = { isFromDaemon, originOf, tell };
