import { lookup } from 'node:dns/promises';
import { hostname, networkInterfaces } from 'node:os';
import {
  type Address,
  type AllowedTarget,
  mayConnect,
  NOT_PUBLIC_NETWORKS,
  parseAllowedTarget,
} from '../../base/network-targets.ts';
import type { Settings } from '../../pocketbase/data/settings.ts';

/*
 * Where the database of a developer may connect to. The hooks refuse settings with addresses and names that are not public.
 * Before each start, the names are resolved as well. The sandbox closes all other ports, so that a name that changes, or a
 * redirect, does not lead to the daemon or other databases.
 */

/** HTTPS, mail, and DNS over TCP. */
const PORTS: readonly number[] = [25, 53, 443, 465, 587, 2525];
/** How long a start waits for the addresses of names. */
const LOOKUP_TIMEOUT_MS = 3_000;

export type ForbiddenSection = 'smtp' | 's3' | 'backups';

/** @param allowed entries of OWNER_ALLOWED_TARGETS */
export function developerPorts(allowed: readonly string[]): number[] {
  const added = parsed(allowed).flatMap((target) =>
    target.kind === 'host' && target.port !== null ? [target.port] : [],
  );
  return [...new Set([...PORTS, ...added])].toSorted((a, b) => a - b);
}

/** What the hooks need to check a host. */
export function hookTargets(allowed: readonly string[]): Record<string, readonly (string | number)[]> {
  const own = Object.values(networkInterfaces()).flatMap((entries) => entries ?? []);
  return {
    allowed: allowed.map((entry) => entry.toLowerCase()),
    closed: [...NOT_PUBLIC_NETWORKS, ...own.map(({ address }) => address.replace(/%.*$/, ''))],
    names: [hostname().toLowerCase()],
    ports: developerPorts(allowed),
  };
}

interface Endpoint {
  section: ForbiddenSection;
  host: string;
  port: number;
}

/** The sections that are on and lead to a service that is not public. A name without an address leads nowhere. */
export async function findForbidden(
  settings: Settings,
  allowed: readonly string[],
): Promise<ForbiddenSection[]> {
  const targets = parsed(allowed);
  const found = await Promise.all(
    endpointsOf(settings).map(async ({ section, host, port }) => {
      const addresses = await addressesOf(host);
      return mayConnect({ host, port, addresses }, targets) ? [] : [section];
    }),
  );
  return [...new Set(found.flat())];
}

function parsed(allowed: readonly string[]): AllowedTarget[] {
  return allowed.map(parseAllowedTarget).filter((target) => target !== null);
}

async function addressesOf(host: string): Promise<Address[]> {
  const late = new Promise<[]>((resolve) => {
    setTimeout(() => resolve([]), LOOKUP_TIMEOUT_MS).unref();
  });
  const found = lookup(host, { all: true }).catch(() => []);
  return (await Promise.race([found, late])).map(({ address, family }) => ({
    address,
    family: family === 6 ? 6 : 4,
  }));
}

interface S3Settings {
  enabled?: unknown;
  endpoint?: unknown;
  bucket?: unknown;
  forcePathStyle?: unknown;
}

function endpointsOf(settings: Settings): Endpoint[] {
  const smtp = (settings['smtp'] ?? {}) as { enabled?: unknown; host?: unknown; port?: unknown };
  const backups = (settings['backups'] ?? {}) as { s3?: S3Settings };
  return [
    ...(smtp.enabled === true
      ? [{ section: 'smtp' as const, host: String(smtp.host), port: Number(smtp.port) }]
      : []),
    ...endpointsOfS3('s3', settings['s3'] ?? {}),
    ...endpointsOfS3('backups', backups.s3 ?? {}),
  ];
}

function endpointsOfS3(
  section: ForbiddenSection,
  { enabled, endpoint, bucket, forcePathStyle }: S3Settings,
): Endpoint[] {
  if (enabled !== true) return [];
  const text = String(endpoint);
  const url = URL.parse(/^https?:\/\//.test(text) ? text : `https://${text}`);
  if (url === null) return [];
  const host = url.hostname.replace(/^\[|\]$/g, '');
  const port = Number(url.port) || (url.protocol === 'https:' ? 443 : 80);
  const hosts = forcePathStyle === true ? [host] : [host, `${String(bucket)}.${host}`];
  return hosts.map((one) => ({ section, host: one, port }));
}
