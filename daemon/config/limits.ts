import { BlockList } from 'node:net';
import { type Limits, MIN_SLEEP_AFTER, SLEEP_AFTER_PROBLEM } from '../../shared/limits.ts';
import { parseAllowedTarget, parseNetwork } from '../base/network-targets.ts';
import type { ValueReader } from './value-reader.ts';

export interface LimitsConfig {
  /** Requests of one client address. */
  requestsPerMinute: number;
  signInsPerAccount: number;
  signInsPerAddress: number;
  connectionsPerAddress: number;
  /** Audited requests of a user in an hour. */
  changesPerUser: number;
  signUps: SignUpLimitsConfig;
  /** Limits of a user whose plan sets no others. */
  perUser: Omit<Limits, 'memory_mb' | 'disk_mb'>;
}

/** Numbers of sign-ups. An address is an IPv4 address or an IPv6 /64 network. */
export interface SignUpLimitsConfig {
  perAddressAndHour: number;
  perAddressAndDay: number;
  /** Of an IPv6 /48 network. */
  perNetworkAndHour: number;
  perHour: number;
  perDay: number;
}

export function readLimits(read: ValueReader): LimitsConfig {
  return {
    requestsPerMinute: read.wholeNumber('RATE_LIMIT_PER_MINUTE'),
    signInsPerAccount: read.wholeNumber('SIGN_IN_FAILURES_PER_ACCOUNT'),
    signInsPerAddress: read.wholeNumber('SIGN_IN_FAILURES_PER_ADDRESS'),
    signUps: {
      perAddressAndHour: read.wholeNumber('SIGN_UPS_PER_ADDRESS'),
      perAddressAndDay: read.wholeNumber('SIGN_UPS_PER_ADDRESS_PER_DAY'),
      perNetworkAndHour: read.wholeNumber('SIGN_UPS_PER_NETWORK'),
      perHour: read.wholeNumber('SIGN_UPS_PER_HOUR'),
      perDay: read.wholeNumber('SIGN_UPS_PER_DAY'),
    },
    connectionsPerAddress: read.wholeNumber('CONNECTIONS_PER_ADDRESS'),
    changesPerUser: read.wholeNumber('CHANGES_PER_USER'),
    perUser: {
      api_keys: read.wholeNumber('API_KEYS_PER_USER'),
      sessions: read.wholeNumber('SESSIONS_PER_USER'),
      streams: read.wholeNumber('STREAMS_PER_USER'),
      restarts_per_hour: read.wholeNumber('RESTARTS_PER_HOUR'),
      backups_per_day: read.wholeNumber('BACKUPS_PER_DAY'),
      own_backups: read.wholeNumber('OWN_BACKUPS'),
      exports_per_day: read.wholeNumber('EXPORTS_PER_DAY'),
      tasks: read.wholeNumber('TASKS_PER_USER'),
      sleep_after: readSleepAfter(read),
    },
  };
}

function readSleepAfter(read: ValueReader): number {
  const minutes = read.wholeNumber('SLEEP_AFTER');
  if (minutes > 0 && minutes < MIN_SLEEP_AFTER)
    read.problem('SLEEP_AFTER', `${minutes} ${SLEEP_AFTER_PROBLEM}`);
  return minutes;
}

/** Hosts and networks that are not public and that may be connected to. */
export function readAllowedTargets(
  read: ValueReader,
  name: 'QUEUE_ALLOWED_TARGETS' | 'OWNER_ALLOWED_TARGETS',
): string[] {
  const entries = read.list(name);
  for (const [index, entry] of entries.entries()) {
    if (parseAllowedTarget(entry) !== null) continue;
    read.problem(
      name,
      `entry ${index + 1} is not a host, a host with a port, or a network; write it like localhost:25 or 10.0.0.0/8`,
    );
  }
  return entries;
}

/** Addresses and networks (CIDR) whose X-Forwarded-For header is trusted. */
export function readTrustedProxies(read: ValueReader): string[] {
  const entries = read.list('TRUSTED_PROXIES');
  for (const [index, entry] of entries.entries()) {
    if (blockListOf([entry]) !== null) continue;
    read.problem(
      'TRUSTED_PROXIES',
      `entry ${index + 1} is not an IP address or a network; write it like 127.0.0.1 or 10.0.0.0/8`,
    );
  }
  return entries;
}

/** Null when an entry is not an address or a network. */
export function blockListOf(entries: readonly string[]): BlockList | null {
  const list = new BlockList();
  for (const entry of entries) {
    const network = parseNetwork(entry);
    if (network === null) return null;
    list.addSubnet(network.address, network.prefix, network.family);
  }
  return list;
}
