import { EXAMPLE_DATABASE } from '../../../../shared/api/contract/fields.ts';

/** The reverse proxies that Fathom can set up. */
export type Edge = 'nginx' | 'caddy';

/** What the configuration of a reverse proxy is made of. */
export interface Site {
  /** The API is at `api.DOMAIN`, the global PocketBase at `auth.DOMAIN`, a database at `NAME.db.DOMAIN`. */
  domain: string;
  /** Paths of the files. The certificate covers all three kinds of names. */
  certificate: string;
  certificateKey: string;
  edgeToken: string;
  /** `host:port` of the API and of the global PocketBase. */
  api: string;
  global: string;
  /** The host part of the address of all databases, as in a URL. */
  databaseHost: string;
  /** RATE_LIMIT_PER_MINUTE and CONNECTIONS_PER_ADDRESS. */
  requestsPerMinute: number;
  connectionsPerAddress: number;
  /** On which the proxy listens. */
  ports: { http: number; https: number };
  /** Whether the host has IPv6. */
  hasIPv6: boolean;
}

/** A site file begins with it, so that a later command recognizes its own file. */
export const SITE_MARK = '# Written by fathomd install --edge. The next run replaces this file.';

/**
 * Requests of one client and of all clients of one database, as multiples of RATE_LIMIT_PER_MINUTE. The proxy cannot tell users
 * from guests; PocketBase and the API apply the setting to guests themselves.
 */
export const CLIENT_SHARE = 4;
export const DATABASE_SHARE = 8;
/** Requests and streams of all clients of one database at the same time. */
export const CONNECTIONS_PER_DATABASE = 1000;
/** PocketBase limits uploads itself, by the fields of the collection. */
export const MAX_UPLOAD_MB = 100;
export const HSTS = 'max-age=31536000';

/** A name of a database, as a regular expression. A label of a host name has at most 63 characters. */
export const NAME_PATTERN = '[0-9]{4}-[0-9]{2}-[0-9]{2}-[0-9]{3,8}-[a-z0-9_-]{1,40}';

/** The id of the collection `_superusers` in every PocketBase. */
const SUPERUSERS_ID = 'pbc_3142635823';

/**
 * Paths that only superusers use: the dashboard, settings, backups, logs, cron jobs, SQL, and the collection of superusers with
 * its sign-in. Then collections themselves: to list, create, change, delete, import and empty them, and to act as one of their
 * users.
 */
const CLOSED = [
  '_',
  'api/(settings|backups|logs|crons|sql)',
  `api/collections/(_superusers|${SUPERUSERS_ID})`,
  'api/collections/meta/(scaffolds|oauth2-providers|dry-run-view)',
  'api/collections/[^/]+/(truncate|impersonate)',
];

/** The closed paths as a regular expression, for a match without regard to case. */
export const CLOSED_PATHS = `^/((${CLOSED.join('|')})(/|$)|api/collections(/[^/]+)?/?$)`;

/** The value of PB_PUBLIC_URL for a domain. */
export function publicUrlOf(domain: string): string {
  return `https://{name}.db.${domain}`;
}

/** The value of PUBLIC_URL for a domain. */
export function siteUrlOf(domain: string): string {
  return `https://api.${domain}`;
}

/** The problem of a domain, with its remedy; null for a valid one. */
export function domainProblem(domain: string): string | null {
  const labels = domain.split('.');
  if (labels.length < 2 || !labels.every((label) => /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/.test(label)))
    return `'${domain}' is not a domain; write it like example.com, in lower case and without a dot at the end`;
  const longest = `${EXAMPLE_DATABASE.slice(0, 15)}${'x'.repeat(40)}.db.${domain}`;
  if (longest.length > 253) return `'${domain}' is too long: names of databases are put in front of it`;
  return null;
}

/** The problem of the path of a certificate, with its remedy; null for a valid one. */
export function pathProblem(option: string, path: string): string | null {
  if (!path.startsWith('/')) return `${option}: '${path}' is not an absolute path`;
  // In the configuration of a proxy they would end the value, or be replaced.
  if (!/^[\w./+@:,=-]+$/.test(path))
    return `${option}: '${path}' has characters that a proxy cannot read; rename it`;
  return null;
}
