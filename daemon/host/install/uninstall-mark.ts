import { mkdir, readFile } from 'node:fs/promises';
import { FathomError } from '../../../shared/errors.ts';
import { exists } from '../../base/files/dir.ts';
import { replaceFile } from '../../base/files/replace-file.ts';
import { DATA, RELEASES, SETTINGS, UNINSTALLING } from './release/layout.ts';

/** What an unfinished uninstall removes: the program only, or the data as well. */
export type UninstallScope = 'program' | 'data';

/** Written before the first file is removed. The mark is the last file that an uninstall removes. */
export async function writeUninstallMark(scope: UninstallScope): Promise<void> {
  await mkdir(RELEASES, { recursive: true, mode: 0o755 });
  await replaceFile(UNINSTALLING, `${scope}\n`, { mode: 0o644, synced: true });
}

/** The scope of an uninstall that runs or was interrupted; null when there is none. */
export async function readUninstallMark(): Promise<UninstallScope | null> {
  const mark = await readFile(UNINSTALLING, 'utf8').catch(() => null);
  if (mark === null) return null;
  const hasData = (await exists(DATA)) || (await exists(SETTINGS));
  // Without any data left, only the program has to be removed.
  return mark.trim() === 'data' && hasData ? 'data' : 'program';
}

/** What an administrator can do after an interruption. */
export const UNINSTALL_REMEDIES: Readonly<Record<UninstallScope, string>> = {
  program:
    "the data is complete; run 'fathomd install' to restore the program, or 'fathomd uninstall' to remove the rest of it",
  data: "some of the data may be deleted; run 'fathomd uninstall --purge' to remove the rest, or 'fathomd uninstall' to remove only the program",
};

/** The error of a command that needs a complete installation. */
export function interruptedUninstallError(scope: UninstallScope): FathomError {
  return new FathomError('conflict', `an uninstall was interrupted; ${UNINSTALL_REMEDIES[scope]}`);
}
