import type { IncomingMessage } from 'node:http';
import { type BlockList, isIP, isIPv6 } from 'node:net';
import type { FastifyRequest } from 'fastify';
import type { Origin } from '../accounts/sessions/session-repository.ts';
import { LOCAL_ADDRESS } from '../accounts/sign-in/sign-in-limits.ts';
import { blockListOf } from '../config/limits.ts';
import { passOf } from './forwarding/forwarded.ts';

/** Each list is built once, because every request needs it. */
const builtLists = new WeakMap<readonly string[], BlockList | null>();

function trustedListOf(trustedProxies: readonly string[]): BlockList | null {
  const known = builtLists.get(trustedProxies);
  if (known !== undefined) return known;
  const built = blockListOf(trustedProxies);
  builtLists.set(trustedProxies, built);
  return built;
}

/** Returns the client of a request as sessions and the audit log show it. */
export function originOf(request: FastifyRequest, trustedProxies: readonly string[]): Origin {
  const userAgent = (request.headers['user-agent'] ?? '').replace(/\p{C}/gu, '').slice(0, 300);
  return { user_agent: userAgent, address: clientAddress(request.raw, trustedProxies) || LOCAL_ADDRESS };
}

/**
 * Returns the address of the client, also behind another node of the cluster; empty on the local socket. `request.ip` of Fastify is not used because it contains the
 * port that some proxies add.
 */
export function clientAddress(request: IncomingMessage, trustedProxies: readonly string[]): string {
  const pass = passOf(request);
  if (pass !== null) return pass.client;
  const forwarded = String(request.headers['x-forwarded-for'] ?? '');
  return resolveClientAddress(request.socket.remoteAddress ?? '', forwarded, trustedProxies);
}

/**
 * Returns the peer, or when it is one of TRUSTED_PROXIES the last address of X-Forwarded-For that is not.
 *
 * @param forwarded the value of X-Forwarded-For, which a client can forge
 */
export function resolveClientAddress(
  peer: string,
  forwarded: string,
  trustedProxies: readonly string[],
): string {
  const named = forwarded.split(',').map((address) => normalizeAddress(address.trim()));
  const trusted = trustedListOf(trustedProxies);
  let address = normalizeAddress(peer);
  while (isIn(trusted, address)) {
    const previous = named.pop();
    // A proxy writes nothing but addresses.
    if (previous === undefined || isIP(previous) === 0) break;
    address = previous;
  }
  return address;
}

/** Whether a list has the address. Text that is no address is in no list. */
export function isIn(list: BlockList | null, address: string): boolean {
  return isIP(address) !== 0 && list?.check(address, isIPv6(address) ? 'ipv6' : 'ipv4') === true;
}

/** Removes a port (`192.0.2.1:4711`, `[2001:db8::1]:4711`) and the prefix of a mapped IPv4 address. */
export function normalizeAddress(address: string): string {
  const bare =
    /^\[(?<host>[^\]]*)\](?::\d+)?$|^(?<host>[\d.]+):\d+$/.exec(address)?.groups?.['host'] ?? address;
  return bare.replace(/^::ffff:(?=[\d.]+$)/i, '');
}
