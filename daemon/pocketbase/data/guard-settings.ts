import { createHash } from 'node:crypto';
import { isIP } from 'node:net';
import { networkInterfaces } from 'node:os';
import { isDeepStrictEqual } from 'node:util';
import type { LimitsConfig } from '../../config/limits.ts';

interface RateLimitRule {
  label: string;
  /** Empty: all clients. */
  audience: '' | '@guest' | '@auth';
  /** Seconds. */
  duration: number;
  maxRequests: number;
}

/** Settings of every PocketBase that the configuration defines. A superuser's changes to them are undone at the next start. */
export interface GuardSettings {
  rateLimits: { enabled: true; rules: RateLimitRule[]; excludedIPs: string[] };
  trustedProxy: { headers: string[]; useLeftmostIP: boolean };
}

const QUARTER_OF_AN_HOUR_S = 900;
/** Requests that send a mail, or that use a token from one. */
const MAILED = [
  'requestOTP',
  'requestPasswordReset',
  'requestVerification',
  'requestEmailChange',
  'confirmPasswordReset',
  'confirmVerification',
  'confirmEmailChange',
];
const MAILED_PER_ADDRESS = 20;
/**
 * Realtime connections per minute. PocketBase keeps an idle one for five minutes. In the global PocketBase each one takes a
 * JavaScript runtime of the hooks, which has 0.25 MB.
 */
const REALTIME_PER_ADDRESS = 120;

/**
 * PocketBase's own rate limits. They protect against password guessing where clients reach PocketBase without Fathom's API.
 *
 * @param general the clients that the limit on all requests applies to
 * @param exempt addresses from which the daemon sends requests without being a superuser
 */
export function guardSettings({
  limits,
  trustedProxies,
  general,
  exempt,
}: {
  limits: LimitsConfig;
  trustedProxies: readonly string[];
  general: RateLimitRule['audience'];
  exempt: readonly string[];
}): GuardSettings {
  return {
    rateLimits: {
      enabled: true,
      rules: [
        perQuarter('*:auth', limits.signInsPerAddress),
        ...MAILED.map((action) => perQuarter(`*:${action}`, MAILED_PER_ADDRESS)),
        { label: 'GET /api/realtime', audience: '', duration: 60, maxRequests: REALTIME_PER_ADDRESS },
        { label: '/api/', audience: general, duration: 60, maxRequests: limits.requestsPerMinute },
        // For paths outside of /api/. It has the same audience, because it also matches requests that the rule above skips.
        { label: '/', audience: general, duration: 60, maxRequests: limits.requestsPerMinute },
      ],
      excludedIPs: [...exempt],
    },
    trustedProxy: {
      // With several proxies in a row, the last one is trusted: PocketBase has no list of trusted addresses.
      headers: trustedProxies.length > 0 ? ['X-Forwarded-For'] : [],
      useLeftmostIP: false,
    },
  };
}

function perQuarter(label: string, maxRequests: number): RateLimitRule {
  return { label, audience: '', duration: QUARTER_OF_AN_HOUR_S, maxRequests };
}

/** The settings with the guard applied; null when they already have it. */
export function applyGuard(
  settings: Record<string, unknown>,
  guard: GuardSettings,
): Record<string, unknown> | null {
  const { rateLimits, trustedProxy } = settings;
  return isDeepStrictEqual({ rateLimits, trustedProxy }, guard) ? null : { ...settings, ...guard };
}

/**
 * The addresses from which the daemon sends requests to a PocketBase that listens on `bindAddress`. All of them belong to this
 * host.
 */
export function daemonAddresses(bindAddress: string): string[] {
  return [...new Set(['127.0.0.1', '::1', ...ownAddresses(bindAddress)])];
}

function ownAddresses(bindAddress: string): string[] {
  if (bindAddress === 'localhost' || bindAddress === '0.0.0.0' || bindAddress === '::') return [];
  if (isIP(bindAddress) !== 0) return [bindAddress];
  // The address of a host name can change while the daemon runs.
  return Object.values(networkInterfaces()).flatMap((entries) =>
    (entries ?? []).filter(({ internal }) => !internal).map(({ address }) => address),
  );
}

/**
 * The settings with the daemon's addresses in the list of superuser addresses, so that the daemon can probe and administer the
 * instance. An empty list would allow every address. Other entries are kept: a superuser who adds `0.0.0.0/0` and `::/0`
 * opens one instance.
 *
 * @returns null when the list already has them
 */
export function allowDaemonAddresses(
  settings: Record<string, unknown>,
  addresses: readonly string[],
): Record<string, unknown> | null {
  const { superuserIPs } = settings;
  const allowed: unknown[] = Array.isArray(superuserIPs) ? superuserIPs : [];
  const missing = addresses.filter((address) => !allowed.includes(address));
  return missing.length === 0 ? null : { ...settings, superuserIPs: [...allowed, ...missing] };
}

/** An id of a guard, to recognize processes that were started with another one. */
export function guardId(guard: GuardSettings): string {
  return createHash('sha256').update(JSON.stringify(guard)).digest('hex').slice(0, 12);
}
