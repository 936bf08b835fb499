import { mkdir, readFile } from 'node:fs/promises';
import { FathomError } from '../../../shared/errors.ts';
import { exists } from '../../base/files/dir.ts';
import { replaceFile } from '../../base/files/replace-file.ts';
import { DATA, RELEASES, SETTINGS, UNINSTALLING } from './release/layout.ts';

/** What an uninstall that has not come to its end removes: the program, whose data is whole, or the data as well. */
export type Uninstalling = 'program' | 'data';

/** On the disk before anything is removed, and the last that is. */
export async function markUninstalling(what: Uninstalling): Promise<void> {
  await mkdir(RELEASES, { recursive: true, mode: 0o755 });
  await replaceFile(UNINSTALLING, `${what}\n`, { mode: 0o644, synced: true });
}

/** An uninstall that was interrupted, or is under way; null when there is none. */
export async function uninstalling(): Promise<Uninstalling | null> {
  const mark = await readFile(UNINSTALLING, 'utf8').catch(() => null);
  if (mark === null) return null;
  const some = (await exists(DATA)) || (await exists(SETTINGS));
  // With nothing left of the data, nothing of it is half there.
  return mark.trim() === 'data' && some ? 'data' : 'program';
}

/** What to do about it. */
export const WAYS_ON: Readonly<Record<Uninstalling, string>> = {
  program:
    "all data is there; 'fathomd install' puts the program back, 'fathomd uninstall' removes what is left of it",
  data: "some of the data may be gone; 'fathomd uninstall --purge' removes the rest, 'fathomd uninstall' the program alone",
};

/** The error of a command that needs a complete installation. */
export function halfUninstalled(left: Uninstalling): FathomError {
  return new FathomError('conflict', `an uninstall was interrupted; ${WAYS_ON[left]}`);
}
