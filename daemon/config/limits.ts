import { BlockList, isIP } from 'node:net';
import { parseAllowedTarget } from '../base/network-targets.ts';
import type { ValueReader } from './value-reader.ts';

export interface LimitsConfig {
  /** Of one address. */
  requestsPerMinute: number;
  signInsPerAccount: number;
  signInsPerAddress: number;
  signUpsPerAddress: number;
}

export function readLimits(read: ValueReader): LimitsConfig {
  return {
    requestsPerMinute: read.wholeNumber('RATE_LIMIT_PER_MINUTE'),
    signInsPerAccount: read.wholeNumber('SIGN_IN_FAILURES_PER_ACCOUNT'),
    signInsPerAddress: read.wholeNumber('SIGN_IN_FAILURES_PER_ADDRESS'),
    signUpsPerAddress: read.wholeNumber('SIGN_UPS_PER_ADDRESS'),
  };
}

/** Hosts and networks that tasks may connect to although they are not public. */
export function readAllowedTargets(read: ValueReader): string[] {
  const entries = entriesOf(read.text('QUEUE_ALLOWED_TARGETS'));
  for (const [index, entry] of entries.entries()) {
    if (parseAllowedTarget(entry) !== null) continue;
    read.problem(
      'QUEUE_ALLOWED_TARGETS',
      `entry ${index + 1} is neither a host, with or without a port, nor a network; write one like localhost:25 or 10.0.0.0/8`,
    );
  }
  return entries;
}

function entriesOf(text: string | null): string[] {
  return (text ?? '')
    .split(',')
    .map((entry) => entry.trim())
    .filter((entry) => entry !== '');
}

/** Addresses and networks (CIDR) whose X-Forwarded-For is believed. */
export function readTrustedProxies(read: ValueReader): string[] {
  const entries = entriesOf(read.text('TRUSTED_PROXIES'));
  for (const [index, entry] of entries.entries()) {
    if (blockListOf([entry]) !== null) continue;
    read.problem(
      'TRUSTED_PROXIES',
      `entry ${index + 1} is neither an IP address nor a network; write one like 127.0.0.1 or 10.0.0.0/8`,
    );
  }
  return entries;
}

/** Null when an entry is not an address or network. */
export function blockListOf(entries: readonly string[]): BlockList | null {
  const list = new BlockList();
  for (const entry of entries) {
    const [address = '', bits, ...rest] = entry.split('/');
    const version = isIP(address);
    const most = version === 6 ? 128 : 32;
    const prefix = bits === undefined ? most : /^\d{1,3}$/.test(bits) ? Number(bits) : Number.NaN;
    if (version === 0 || rest.length > 0 || !(prefix >= 0 && prefix <= most)) return null;
    list.addSubnet(address, prefix, version === 6 ? 'ipv6' : 'ipv4');
  }
  return list;
}
