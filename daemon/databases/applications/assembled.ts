import { createHash, randomUUID } from 'node:crypto';
import { open, readdir, rename, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { exists, makeDirectory, unlessMissing } from '../../base/files/dir.ts';
import { HOOK_ENTRY, hookEntry, hookEntryWithPage } from '../../supervisor/hook-entry.ts';
import {
  hasPage,
  loadedHooks,
  openServed,
  type Served,
  type ServedFile,
  type ServedFiles,
} from './served-files.ts';

/** The directories that PocketBase gets; null without files. */
export interface ServedPaths {
  hooksDir: string | null;
  publicDir: string | null;
}

export const NOTHING_SERVED: ServedPaths = { hooksDir: null, publicDir: null };

/** Instances read these files and cannot change them: their sandbox allows no writes there. */
const READ_ONLY = 0o400;

export function servedPaths(assembledDir: string, served: Served | null): ServedPaths {
  if (served === null) return NOTHING_SERVED;
  const directory = join(assembledDir, served.hash);
  return {
    hooksDir: served.hasHooks ? join(directory, 'hooks') : null,
    publicDir: served.hasPublic ? join(directory, 'public') : null,
  };
}

/**
 * Writes the files of all applications into one directory, which appears complete or not at all and never changes:
 *
 *   assembled/HASH/hooks/            see `hook-entry.ts`
 *   assembled/HASH/public/index.html
 *
 * @throws an Error when a file has changed since it was read
 */
export async function assemble(assembledDir: string, { hash, files, hasHooks }: ServedFiles): Promise<void> {
  const final = join(assembledDir, hash);
  if (await exists(final)) return;
  const building = join(assembledDir, `.building-${randomUUID()}`);
  try {
    for (const file of files) await copyServed(file, join(building, file.path));
    if (hasHooks) {
      const hooks = loadedHooks(files);
      const entry = hasPage(files) ? hookEntryWithPage(hooks) : hookEntry(hooks);
      await makeDirectory(join(building, 'hooks'));
      await writeFile(join(building, 'hooks', HOOK_ENTRY), entry, { mode: READ_ONLY, flush: true });
    }
    await rename(building, final);
  } catch (error) {
    await rm(building, { recursive: true, force: true });
    throw error;
  }
}

/**
 * Removes all directories except those of some hashes. Call it while none is assembled.
 *
 * @param used hashes of current sets
 * @param recorded reads the hashes that databases serve. Thousands have records, so it is called when it matters
 */
export async function pruneAssembled(
  assembledDir: string,
  used: ReadonlySet<string>,
  recorded: () => Promise<ReadonlySet<string>>,
): Promise<void> {
  const hashes = (await readdir(assembledDir).catch(unlessMissing)) ?? [];
  const others = hashes.filter((hash) => !used.has(hash));
  if (others.length === 0) return;
  const served = await recorded();
  for (const hash of others)
    if (!served.has(hash)) await rm(join(assembledDir, hash), { recursive: true, force: true });
}

async function copyServed({ origin, sha256 }: ServedFile, target: string): Promise<void> {
  await makeDirectory(dirname(target));
  const hash = createHash('sha256');
  await using source = await openServed(origin);
  await using copy = await open(target, 'wx', READ_ONLY);
  for await (const chunk of source.createReadStream({ autoClose: false })) {
    hash.update(chunk as Buffer);
    await copy.write(chunk as Buffer);
  }
  if (hash.digest('hex') !== sha256) throw new Error(`${origin} was changed while it was copied; try again`);
  await copy.sync();
}
