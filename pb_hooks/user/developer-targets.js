// Hosts that a developer's database may connect to: S3, the mail server, and sign-in providers.

/** Names of this host and of private networks. */
const LOCAL_NAMES = /(^|\.)(localhost|localdomain|local|internal|intranet|lan|home\.arpa)$/i;
const HOST = /^(?:[a-z0-9_](?:[a-z0-9_-]*[a-z0-9_])?\.)*[a-z0-9_](?:[a-z0-9_-]*[a-z0-9_])?\.?$/i;
const URL_PARTS = /^(?:(https?):\/\/)?(\[[0-9a-f:.]+\]|[a-z0-9._-]+)(?::(\d{1,5}))?(?:\/[^?#@\\\s]*)?$/i;
const IPV4 = /^\d{1,3}(\.\d{1,3}){3}$/;
/** S3 adds it to the host. */
const BUCKET = /^[a-z0-9][a-z0-9.-]*$/i;

/**
 * @typedef {object} Targets
 * @property {readonly string[]} allowed `host`, `host:port` or a network
 * @property {readonly string[]} closed networks that are not public, and the addresses of this host
 * @property {readonly string[]} names of this host
 * @property {readonly number[]} ports that the process may connect to
 */
/** @typedef {(list: readonly string[], address: string) => boolean} IsListed */

/**
 * The host and port of a URL or of an endpoint of S3; null for a text that could be read in another way.
 *
 * @param {string} text
 */
function parseUrl(text) {
  const [match, scheme = 'https', host = '', port] = URL_PARTS.exec(text) || [];
  if (match === undefined) return null;
  const number = port === undefined ? (scheme.toLowerCase() === 'https' ? 443 : 80) : Number(port);
  return { host: host.replace(/^\[|\]$/g, ''), port: number };
}

/**
 * Why a host cannot be used; null when it can.
 *
 * @param {{ host: string, port: number } | null} target
 * @param {Targets} targets
 * @param {IsListed} isListed
 */
function targetProblem(target, targets, isListed) {
  if (target === null) return 'Write it as a host, or as a URL without a user, a query or a fragment.';
  const { port } = target;
  const host = target.host.toLowerCase().replace(/\.$/, '');
  const isAddress = host.includes(':') || IPV4.test(host);
  const isAllowed =
    targets.allowed.some(
      (entry) => entry === host || entry === `${host}:${port}` || entry === `[${host}]:${port}`,
    ) ||
    (isAddress &&
      isListed(
        targets.allowed.filter((entry) => /^[\d.]+(\/|$)|^[0-9a-f:]+(\/|$)/i.test(entry)),
        host,
      ));
  if (!isAllowed) {
    const problem = isAddress
      ? isListed(targets.closed, host) && 'is not an address of the Internet'
      : nameProblem(host, targets.names);
    if (problem)
      return `${target.host} ${problem}. An administrator can allow it with OWNER_ALLOWED_TARGETS.`;
  }
  if (targets.ports.includes(port)) return null;
  return `Port ${port} is closed. Use one of ${targets.ports.join(', ')}, or ask an administrator to add it to OWNER_ALLOWED_TARGETS.`;
}

/**
 * @param {string} host
 * @param {readonly string[]} own
 */
function nameProblem(host, own) {
  if (!HOST.test(host)) return 'is not the name of a host';
  // Some resolvers read the last part of a name as a part of an IPv4 address, such as in 127.1 and 0x7f000001.
  if (/(^|\.)(\d+|0x[0-9a-f]*)$/i.test(host)) return 'is not the name of a host';
  if (!host.includes('.') || LOCAL_NAMES.test(host) || own.includes(host))
    return 'is a name of this host or its network';
  return null;
}

/**
 * The hosts to which a configuration of S3 leads; null for one that could lead elsewhere.
 *
 * @param {{ endpoint: string, bucket: string, forcePathStyle: boolean }} s3
 */
function hostsOfS3({ endpoint, bucket, forcePathStyle }) {
  const parsed = parseUrl(endpoint);
  if (parsed === null || !BUCKET.test(bucket)) return null;
  return forcePathStyle ? [parsed] : [parsed, { host: `${bucket}.${parsed.host}`, port: parsed.port }];
}

module.exports = Object.freeze({ hostsOfS3, parseUrl, targetProblem });
