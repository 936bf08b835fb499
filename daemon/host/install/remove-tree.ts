import { join } from 'node:path';
import { run } from './host.ts';

/**
 * Removes a directory with all of its content, as root, while another account may change it. Links are removed, their
 * targets are kept: rm(1) opens each directory relative to its parent, so a directory that is replaced with a link in the
 * meantime is not followed. The `rm` of Node uses paths and does follow it.
 *
 * @param options.first names of entries that are removed before the others
 * @throws when something cannot be removed; FathomError `conflict` when the signal aborts
 */
export async function removeTree(
  directory: string,
  { first = [], signal }: { first?: readonly string[]; signal: AbortSignal },
): Promise<void> {
  for (const path of [...first.map((name) => join(directory, name)), directory]) {
    await run('rm', ['-rf', '--', path], { signal });
  }
}
