// Requests to the daemon. Hooks report what happened; the daemon decides what follows.

/**
 * @typedef {import('../../../shared/hooks/daemon-calls.ts').DaemonCalls} DaemonCalls
 * @typedef {import('../../../shared/hooks/daemon-calls.ts').Origin} Origin
 */

/** The address of the client, in requests that the daemon sends for it. */
const CLIENT_HEADER = 'X-Fathom-Client';

/**
 * True if the daemon sent this request. It needs no report then.
 *
 * @param {core.RequestEvent & { requestEvent?: core.RequestEvent }} e
 */
function isFromDaemon(e) {
  const token = $os.getenv('FATHOM_HOOK_TOKEN');
  // Not requestInfo(), which waits for the body.
  return token !== '' && $security.equal(requestEventOf(e).request.header.get('X-Fathom-Hook-Token'), token);
}

/**
 * True if the daemon sent this request for a client, as the client would have sent it.
 *
 * @param {core.RequestEvent & { requestEvent?: core.RequestEvent }} e
 */
function isOfClient(e) {
  return isFromDaemon(e) && requestEventOf(e).request.header.get(CLIENT_HEADER) !== '';
}

/**
 * The JSON response of the daemon, or null if the daemon is not reachable. It catches up by itself after its next start.
 *
 * @template {keyof DaemonCalls} Path
 * @param {CoreApp} app
 * @param {Path} path
 * @param {DaemonCalls[Path]['body']} body
 * @param {number} timeoutS
 * @returns {DaemonCalls[Path]['response'] | null}
 */
function callDaemon(app, path, body, timeoutS) {
  const url = $os.getenv('FATHOM_HOOK_URL');
  if (!url) return null;
  try {
    const response = $http.send({
      method: 'POST',
      url: url + path,
      headers: { 'content-type': 'application/json', 'x-fathom-hook-token': $os.getenv('FATHOM_HOOK_TOKEN') },
      body: JSON.stringify(body),
      timeout: timeoutS,
    });
    if (response.statusCode < 300) return response.json;
    app.logger().warn('the Fathom daemon refused a request', 'path', path, 'status', response.statusCode);
  } catch (error) {
    app.logger().warn('the Fathom daemon does not respond', 'path', path, 'error', String(error));
  }
  return null;
}

/**
 * The peer of the connection and the addresses that proxies added. The daemon knows which proxies are trusted.
 *
 * @param {core.RequestEvent} e
 * @returns {Origin}
 */
function originOf(e) {
  // All values of the header: requestInfo() returns only the first one, which the client may have sent.
  const { header } = requestEventOf(e).request;
  if (isOfClient(e)) return { peer: header.get(CLIENT_HEADER), forwarded: '' };
  return { peer: e.remoteIP(), forwarded: (header.values('X-Forwarded-For') || []).join(',') };
}

/**
 * Some events contain the event of their request, others are it.
 *
 * @param {core.RequestEvent & { requestEvent?: core.RequestEvent }} e
 * @returns {core.RequestEvent}
 */
function requestEventOf(e) {
  return e.requestEvent || e;
}

module.exports = { callDaemon, isFromDaemon, isOfClient, originOf, requestEventOf };
