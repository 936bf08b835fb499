import { BlockList, isIP } from 'node:net';

/** A host or network that is not public and that an administrator allows tasks to connect to. */
export type AllowedTarget =
  | { kind: 'host'; host: string; port: number | null }
  | { kind: 'network'; address: string; prefix: number };

export interface Address {
  address: string;
  family: 4 | 6;
}

/** Private, local and reserved networks. Source: IANA, special-purpose address registries. */
const NOT_PUBLIC: readonly [network: string, prefix: number][] = [
  ['0.0.0.0', 8],
  ['10.0.0.0', 8],
  ['100.64.0.0', 10],
  ['127.0.0.0', 8],
  ['169.254.0.0', 16],
  ['172.16.0.0', 12],
  ['192.0.0.0', 24],
  ['192.0.2.0', 24],
  ['192.88.99.0', 24],
  ['192.168.0.0', 16],
  ['198.18.0.0', 15],
  ['198.51.100.0', 24],
  ['203.0.113.0', 24],
  ['224.0.0.0', 4],
  ['240.0.0.0', 4],
  // Teredo, ORCHID and other protocols; documentation; 6to4, which hides an IPv4 address; documentation again.
  ['2001::', 23],
  ['2001:db8::', 32],
  ['2002::', 16],
  ['3fff::', 20],
];
/** The unicast addresses of the Internet; all other IPv6 addresses have another purpose. */
const GLOBAL_IPV6 = listOf([['2000::', 3]]);
const EXCLUDED = listOf(NOT_PUBLIC);
/** The same, with all IPv6 addresses that are not unicast addresses of the Internet. */
export const NOT_PUBLIC_NETWORKS: readonly string[] = [
  ...NOT_PUBLIC.map(([network, prefix]) => `${network}/${prefix}`),
  '::/3',
  '4000::/2',
  '8000::/1',
];
/** Prefixes of IPv6 addresses that end in an IPv4 address: mapped addresses and NAT64. */
const EMBEDDING: readonly string[] = ['0:0:0:0:0:ffff', '64:ff9b:0:0:0:0'];

/** Whether an address is on the public Internet. Takes every notation of an IP address. */
export function isPublicAddress(address: string): boolean {
  if (isIP(address) === 4) return !EXCLUDED.check(address, 'ipv4');
  const embedded = embeddedIPv4(address);
  if (embedded !== null) return isPublicAddress(embedded);
  return GLOBAL_IPV6.check(address, 'ipv6') && !EXCLUDED.check(address, 'ipv6');
}

function embeddedIPv4(address: string): string | null {
  const groups = groupsOf(address);
  if (
    !EMBEDDING.includes(
      groups
        .slice(0, 6)
        .map((group) => group.toString(16))
        .join(':'),
    )
  )
    return null;
  return groups
    .slice(6)
    .flatMap((group) => [group >> 8, group & 0xff])
    .join('.');
}

/** The eight groups of an IPv6 address. `URL` normalizes the notation, with `::` for zeros. */
function groupsOf(address: string): number[] {
  const [bare = ''] = address.split('%');
  const written = new URL(`http://[${bare}]`).hostname.slice(1, -1);
  const [before = '', after] = written.split('::');
  const [head, tail] = [numbersOf(before), numbersOf(after ?? '')];
  return [...head, ...Array.from({ length: 8 - head.length - tail.length }, () => 0), ...tail];
}

function numbersOf(groups: string): number[] {
  return groups === '' ? [] : groups.split(':').map((group) => Number.parseInt(group, 16));
}

/** Parses an IP address or a network such as `10.0.0.0/8`; null for anything else. */
export function parseNetwork(
  text: string,
): { address: string; prefix: number; family: 'ipv4' | 'ipv6' } | null {
  const [address = '', bits, ...rest] = text.split('/');
  const version = isIP(address);
  const maxPrefix = version === 6 ? 128 : 32;
  const prefix = bits === undefined ? maxPrefix : /^\d{1,3}$/.test(bits) ? Number(bits) : Number.NaN;
  if (version === 0 || rest.length > 0 || !(prefix >= 0 && prefix <= maxPrefix)) return null;
  return { address, prefix, family: version === 6 ? 'ipv6' : 'ipv4' };
}

/** Parses `example.com`, `example.com:8080`, `10.0.0.7`, `[fd00::1]:8080` or `10.0.0.0/8`; null for anything else. */
export function parseAllowedTarget(text: string): AllowedTarget | null {
  const network = parseNetwork(text);
  if (network !== null) return { kind: 'network', address: network.address, prefix: network.prefix };
  const url = /^[\w.:[\]-]+$/.test(text) ? URL.parse(`http://${text}`) : null;
  if (url === null || `${url.hostname}${portOf(text)}` !== text.toLowerCase()) return null;
  return {
    kind: 'host',
    host: hostOf(url),
    port: /:\d+$/.test(text) ? Number(text.split(':').at(-1)) : null,
  };
}

function portOf(text: string): string {
  return /:\d{1,5}$/.exec(text.replace(/^\[.*\]/, ''))?.[0] ?? '';
}

/** The host of a URL, without brackets and without a trailing dot. */
export function hostOf({ hostname }: URL): string {
  return hostname.replace(/^\[|\]$/g, '').replace(/\.$/, '');
}

/** Whether a connection is allowed: the host is allowed by name, or each of its addresses is public or allowed. */
export function mayConnect(
  target: { host: string; port: number; addresses: readonly Address[] },
  allowed: readonly AllowedTarget[],
): boolean {
  const host = target.host.toLowerCase().replace(/\.$/, '');
  const isNamed = allowed.some(
    (entry) => entry.kind === 'host' && entry.host === host && (entry.port ?? target.port) === target.port,
  );
  if (isNamed) return true;
  const networks = listOf(
    allowed.flatMap((entry): [string, number][] =>
      entry.kind === 'network' ? [[entry.address, entry.prefix]] : [],
    ),
  );
  return target.addresses.every(
    ({ address, family }) =>
      isPublicAddress(address) || networks.check(address, family === 6 ? 'ipv6' : 'ipv4'),
  );
}

function listOf(networks: readonly [address: string, prefix: number][]): BlockList {
  const list = new BlockList();
  for (const [address, prefix] of networks)
    list.addSubnet(address, prefix, isIP(address) === 6 ? 'ipv6' : 'ipv4');
  return list;
}
