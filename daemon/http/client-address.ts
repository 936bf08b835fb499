import type { IncomingMessage } from 'node:http';
import { isIP, isIPv6 } from 'node:net';
import type { FastifyRequest } from 'fastify';
import type { Origin } from '../accounts/sessions/session-repository.ts';
import { LOCAL_ADDRESS } from '../accounts/sign-in/sign-in-limits.ts';
import { blockListOf } from '../config/limits.ts';

/** What a list of sessions and the audit log show of the program that sent a request. */
export function originOf(request: FastifyRequest, trustedProxies: readonly string[]): Origin {
  const userAgent = (request.headers['user-agent'] ?? '').replace(/\p{C}/gu, '').slice(0, 300);
  return { user_agent: userAgent, address: clientAddress(request.raw, trustedProxies) || LOCAL_ADDRESS };
}

/**
 * The address that a request comes from: the peer, or the address that it names in X-Forwarded-For if it is one of
 * TRUSTED_PROXIES, from the right for as long as those named are. Empty on the local socket. Fastify's `request.ip` would
 * count each port as an address of its own.
 */
export function clientAddress(request: IncomingMessage, trustedProxies: readonly string[]): string {
  const forwarded = String(request.headers['x-forwarded-for'] ?? '');
  return believedAddress(request.socket.remoteAddress ?? '', forwarded, trustedProxies);
}

/** @param forwarded the values of X-Forwarded-For, whoever wrote them */
export function believedAddress(peer: string, forwarded: string, trustedProxies: readonly string[]): string {
  const named = forwarded.split(',').map((address) => plain(address.trim()));
  const trusted = blockListOf(trustedProxies);
  let address = plain(peer);
  while (isIP(address) !== 0 && trusted?.check(address, isIPv6(address) ? 'ipv6' : 'ipv4')) {
    const before = named.pop();
    // What is no address was not written by a proxy.
    if (before === undefined || isIP(before) === 0) break;
    address = before;
  }
  return address;
}

/** Without the port that some proxies add (`192.0.2.1:4711`, `[2001:db8::1]:4711`), nor the form of a mapped IPv4 address. */
function plain(address: string): string {
  const bare =
    /^\[(?<host>[^\]]*)\](?::\d+)?$|^(?<host>[\d.]+):\d+$/.exec(address)?.groups?.['host'] ?? address;
  return bare.replace(/^::ffff:(?=[\d.]+$)/i, '');
}
