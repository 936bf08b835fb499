import { createHmac } from 'node:crypto';

/** A host key of `known_hosts`, sshd(8). */
export interface KnownHostKey {
  /** As in `ssh-ed25519`. */
  type: string;
  /** Base64. */
  key: string;
  isRevoked: boolean;
}

export type HostKeyVerdict = 'known' | 'unknown' | 'changed' | 'revoked';

const DEFAULT_PORT = 22;
const HASHED = /^\|1\|([^|]+)\|([^|]+)$/;

/** The keys of a host in the text of a `known_hosts` file. Certificate authorities are left out. */
export function findHostKeys(text: string, host: string, port: number): KnownHostKey[] {
  const name = port === DEFAULT_PORT ? host : `[${host}]:${port}`;
  return text.split('\n').flatMap((line) => {
    const fields = line.trim().split(/\s+/);
    const marker = fields[0]?.startsWith('@') === true ? fields.shift() : undefined;
    const [patterns = '', type = '', key = ''] = fields;
    if (patterns === '' || patterns.startsWith('#') || key === '' || marker === '@cert-authority') return [];
    return matchesHost(patterns, name.toLowerCase()) ? [{ type, key, isRevoked: marker === '@revoked' }] : [];
  });
}

/** @param presented the key that the server has, in the format of SSH */
export function judgeHostKey(known: readonly KnownHostKey[], presented: Uint8Array): HostKeyVerdict {
  const same = known.filter(({ key }) => key === Buffer.from(presented).toString('base64'));
  if (same.some(({ isRevoked }) => isRevoked)) return 'revoked';
  if (same.length > 0) return 'known';
  return known.some(({ isRevoked }) => !isRevoked) ? 'changed' : 'unknown';
}

function matchesHost(patterns: string, name: string): boolean {
  const hashed = HASHED.exec(patterns);
  if (hashed) {
    const [, salt = '', hash] = hashed;
    return createHmac('sha1', Buffer.from(salt, 'base64')).update(name).digest('base64') === hash;
  }
  const all = patterns.toLowerCase().split(',');
  const isMatch = (pattern: string) => expressionOf(pattern).test(name);
  if (all.some((pattern) => pattern.startsWith('!') && isMatch(pattern.slice(1)))) return false;
  return all.some((pattern) => !pattern.startsWith('!') && isMatch(pattern));
}

/** `*` and `?` are wildcards. */
function expressionOf(pattern: string): RegExp {
  const source = pattern
    .replaceAll(/[^\w*?]/g, '\\$&')
    .replaceAll('*', '.*')
    .replaceAll('?', '.');
  return new RegExp(`^${source}$`);
}
