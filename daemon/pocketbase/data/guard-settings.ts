import { createHash } from 'node:crypto';
import { isIP } from 'node:net';
import { isDeepStrictEqual } from 'node:util';
import type { LimitsConfig } from '../../config/limits.ts';

interface RateLimitRule {
  label: string;
  /** Empty: for everybody. */
  audience: '' | '@guest' | '@auth';
  /** Seconds. */
  duration: number;
  maxRequests: number;
}

/** What the configuration says of every PocketBase's own settings; a superuser's changes to these do not last. */
export interface GuardSettings {
  rateLimits: { enabled: true; rules: RateLimitRule[]; excludedIPs: string[] };
  trustedProxy: { headers: string[]; useLeftmostIP: boolean };
}

const QUARTER_OF_AN_HOUR_S = 900;
/** Requests that send a mail, or redeem what stood in one. */
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
 * Connections to the realtime in a minute. PocketBase keeps one that says nothing for five minutes, and at the global one each
 * holds a JavaScript runtime of the hooks, a quarter of a megabyte.
 */
const REALTIME_PER_ADDRESS = 120;

/**
 * PocketBase's own limits, so that nobody guesses passwords at an address where Fathom's API does not stand before it.
 *
 * @param general whom the limit on requests of any kind is for
 * @param exempt addresses from which the daemon itself calls without being a superuser
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
      ],
      excludedIPs: [...exempt],
    },
    trustedProxy: {
      // Of several proxies in a row the last one is believed: PocketBase knows no list of addresses.
      headers: trustedProxies.length > 0 ? ['X-Forwarded-For'] : [],
      useLeftmostIP: false,
    },
  };
}

function perQuarter(label: string, maxRequests: number): RateLimitRule {
  return { label, audience: '', duration: QUARTER_OF_AN_HOUR_S, maxRequests };
}

/** The settings with the guard's in them; null when they are there already. */
export function withGuard(
  settings: Record<string, unknown>,
  guard: GuardSettings,
): Record<string, unknown> | null {
  const { rateLimits, trustedProxy } = settings;
  return isDeepStrictEqual({ rateLimits, trustedProxy }, guard) ? null : { ...settings, ...guard };
}

/** Where the daemon's own requests to a PocketBase at that address come from. */
export function daemonAddresses(bindAddress: string): string[] {
  const isOne = isIP(bindAddress) !== 0 && bindAddress !== '0.0.0.0' && bindAddress !== '::';
  return [...new Set(['127.0.0.1', '::1', ...(isOne ? [bindAddress] : [])])];
}

/**
 * The settings with a list of addresses of superusers that the daemon is on: otherwise it could neither probe nor administer.
 *
 * @returns null when it is let in already
 */
export function withDaemonLetIn(
  settings: Record<string, unknown>,
  addresses: readonly string[],
): Record<string, unknown> | null {
  const { superuserIPs } = settings;
  if (!Array.isArray(superuserIPs) || superuserIPs.length === 0) return null;
  const missing = addresses.filter((address) => !superuserIPs.includes(address));
  return missing.length === 0
    ? null
    : { ...settings, superuserIPs: [...(superuserIPs as unknown[]), ...missing] };
}

/** Names a guard: a process that was started with another one has not read it. */
export function guardId(guard: GuardSettings): string {
  return createHash('sha256').update(JSON.stringify(guard)).digest('hex').slice(0, 12);
}
