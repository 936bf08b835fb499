import { resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

/** A place with releases of PocketBase: an address with the layout of its GitHub releases, or a path. */
export type ReleaseSource = { url: string } | { path: string };

/** Over plain HTTP, an attacker could replace what is downloaded and its checksums. */
export function isSafeAddress(text: string): boolean {
  const url = URL.parse(text);
  if (url === null || url.username !== '' || url.password !== '') return false;
  const isLocal = ['localhost', '127.0.0.1', '[::1]'].includes(url.hostname);
  return url.protocol === 'https:' || (url.protocol === 'http:' && isLocal);
}

/**
 * Parses a comma-separated list of sources.
 *
 * @param cwd the directory of relative paths
 * @param onInvalid called with the number of an entry, from 1, and what is wrong with it. The entry may contain a password
 */
export function parseReleaseSources(
  text: string,
  cwd: string,
  onInvalid: (problem: string) => void,
): ReleaseSource[] {
  const entries = text
    .split(',')
    .map((entry) => entry.trim())
    .filter((entry) => entry !== '');
  return entries.flatMap((entry, index): ReleaseSource[] => {
    const source = parseReleaseSource(entry, cwd);
    if (source === null) {
      onInvalid(
        `entry ${index + 1} must be an https address without a password (http only on this host), or the path of a directory or an archive`,
      );
      return [];
    }
    return [source];
  });
}

function parseReleaseSource(text: string, cwd: string): ReleaseSource | null {
  if (/\p{Cc}/u.test(text)) return null;
  const url = URL.parse(text);
  if (url?.protocol === 'file:' && url.host === '') return { path: fileURLToPath(text) };
  if (!text.includes('://')) return { path: resolve(cwd, text) };
  return isSafeAddress(text) ? { url: text.replace(/\/+$/, '') } : null;
}
