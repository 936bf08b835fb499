import { randomUUID } from 'node:crypto';
import { readdir, readFile, rmdir } from 'node:fs/promises';
import { isAbsolute, join } from 'node:path';
import { z } from 'zod';
import { FathomError } from '../../shared/errors.ts';
import { exists, makeDirectory, systemErrorCode, unlessMissing } from '../base/files/dir.ts';
import { replaceFile } from '../base/files/replace-file.ts';

/** In the directory of a host below REPLICA: a disk that is not mounted has none, and Litestream creates directories. */
const MARK = 'fathom.json';
/** In the data directory: every target that was used, with the id of the replica in it. */
const USED_FILE = 'replica-target';

const HAS_ENTRIES_OR_IS_GONE: ReadonlySet<string | undefined> = new Set([
  'ENOENT',
  'ENOTDIR',
  'ENOTEMPTY',
  'EEXIST',
]);

const markSchema = z.object({ format: z.literal(1), id: z.uuid() });
const usedSchema = z.object({ format: z.literal(1), targets: z.record(z.string(), z.uuid()) });

type Used = z.infer<typeof usedSchema>['targets'];

/**
 * Marks a target that is used for the first time.
 *
 * @returns the id of the replica in it
 * @throws FathomError `backup.failed` for a directory that is not mounted
 */
export async function prepareTarget(
  target: string,
  { host, dataDir }: { host: string; dataDir: string },
): Promise<string> {
  const used = await readUsed(dataDir);
  const known = used[target];
  const id = isAbsolute(target)
    ? await identifyDirectory(join(target, host), known !== undefined)
    : (known ?? randomUUID());
  if (id !== known) {
    const record = { format: 1, targets: { ...used, [target]: id } };
    await replaceFile(join(dataDir, USED_FILE), JSON.stringify(record), { mode: 0o600, synced: true });
  }
  return id;
}

export async function wasUsed(target: string, dataDir: string): Promise<boolean> {
  return (await readUsed(dataDir))[target] !== undefined;
}

/** @throws FathomError `backup.failed` for a directory that is not mounted */
export async function requirePresent(target: string, host: string): Promise<void> {
  if (!isAbsolute(target) || (await exists(join(target, host, MARK)))) return;
  throw notMounted(join(target, host));
}

/**
 * Call it when a Litestream has ended whose target was not present: it may have created the directory of the host at its end, and
 * an empty one counts as one that an administrator made.
 */
export async function removeEmptyDirectory(target: string, host: string): Promise<void> {
  if (!isAbsolute(target)) return;
  await rmdir(join(target, host)).catch((error: unknown) => {
    if (!HAS_ENTRIES_OR_IS_GONE.has(systemErrorCode(error))) throw error;
  });
}

/** @param isUsed a directory that was used before is not begun again, unless an administrator has created it */
async function identifyDirectory(directory: string, isUsed: boolean): Promise<string> {
  const path = join(directory, MARK);
  const text = await readFile(path, 'utf8').catch(unlessMissing);
  if (text !== null) return parseMark(text, path);
  const isEmpty = (await readdir(directory).catch(unlessMissing))?.length === 0;
  if (isUsed && !isEmpty) throw notMounted(directory);
  const id = randomUUID();
  await makeDirectory(directory);
  await replaceFile(path, JSON.stringify({ format: 1, id }), { mode: 0o600, synced: true });
  return id;
}

function parseMark(text: string, path: string): string {
  try {
    return markSchema.parse(JSON.parse(text)).id;
  } catch (error) {
    throw new FathomError('backup.failed', `${path} is damaged, or not of Fathom; use another directory`, {
      cause: error,
    });
  }
}

async function readUsed(dataDir: string): Promise<Used> {
  const path = join(dataDir, USED_FILE);
  const text = await readFile(path, 'utf8').catch(unlessMissing);
  // Earlier versions wrote the last target alone.
  if (text?.startsWith('{') !== true) return {};
  return usedSchema.parse(JSON.parse(text)).targets;
}

function notMounted(directory: string): FathomError {
  return new FathomError(
    'backup.failed',
    `${directory} has no replica of this host any more: the disk is not mounted, or the replica was removed; mount it, or make that directory and leave it empty to begin a new replica`,
  );
}
