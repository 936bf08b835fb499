import { Semaphore } from '../../base/semaphore.ts';
import { DamagedObject } from '../backup-problem.ts';
import type { DataKey } from '../keys/data-key.ts';
import { type Backup, chunkKey, chunkNameOf, chunkPrefix, manifestKey, readManifest } from '../manifest.ts';
import type { Target } from '../targets/target.ts';

const CONCURRENT_READS = 4;

type ChunkState = 'complete' | 'missing' | 'damaged';

export interface VerifiedBackup {
  id: string;
  /** `complete` can be restored. `damaged` has a part that is missing or was changed, or its list of parts was. */
  state: 'complete' | 'damaged';
  chunks: number;
  bytes: number;
  /** Keys of objects. */
  missing: string[];
  damaged: string[];
}

/**
 * Reads every part of backups of one database, and checks that none was changed. Parts that several backups use are read
 * once.
 *
 * @throws BackupProblem when the target cannot be read now
 */
export async function verifyBackups(
  target: Target,
  key: DataKey,
  { database, ids }: { database: string; ids: readonly string[] },
): Promise<VerifiedBackup[]> {
  const states = new Map<string, ChunkState>();
  const verified: VerifiedBackup[] = [];
  for (const id of ids) {
    const backup = await readIfIntact(target, key, { database, id });
    if (backup === 'missing' || backup === 'damaged') {
      const lists = { missing: [], damaged: [], [backup]: [manifestKey(database, id)] };
      verified.push({ id, state: 'damaged', chunks: 0, bytes: 0, ...lists });
      continue;
    }
    await readChunks(target, key, backup, states);
    const inState = (state: ChunkState) =>
      backup.chunks.filter((name) => states.get(name) === state).map((name) => chunkKey(database, name));
    const [missing, damaged] = [inState('missing'), inState('damaged')];
    const state = missing.length + damaged.length > 0 ? 'damaged' : 'complete';
    verified.push({ id, state, chunks: backup.chunks.length, bytes: backup.bytes, missing, damaged });
  }
  return verified;
}

/**
 * Removes parts that are damaged, after it has read them again. The next backup stores them again if the database still has
 * them, which repairs the backups that use them.
 */
export async function removeDamagedChunks(
  target: Target,
  key: DataKey,
  { database, verified }: { database: string; verified: readonly VerifiedBackup[] },
): Promise<void> {
  const damaged = new Set(verified.flatMap((backup) => backup.damaged));
  for (const place of damaged) {
    if (!place.startsWith(chunkPrefix(database))) continue;
    const name = chunkNameOf(place);
    if ((await stateOf(target, key, { name, place })) === 'damaged') await target.delete(place);
  }
}

async function readIfIntact(
  target: Target,
  key: DataKey,
  which: { database: string; id: string },
): Promise<Backup | 'missing' | 'damaged'> {
  if (!(await target.has(manifestKey(which.database, which.id)))) return 'missing';
  try {
    return await readManifest(target, key, which);
  } catch (error) {
    if (error instanceof DamagedObject) return 'damaged';
    throw error;
  }
}

async function readChunks(
  target: Target,
  key: DataKey,
  { database, chunks }: Backup,
  states: Map<string, ChunkState>,
): Promise<void> {
  const slots = new Semaphore(CONCURRENT_READS);
  const failed = new AbortController();
  const reading = chunks
    .filter((name) => !states.has(name))
    .map(async (name) => {
      const release = await slots.acquire(failed.signal);
      if (!release) return;
      try {
        states.set(name, await stateOf(target, key, { name, place: chunkKey(database, name) }));
      } catch (error) {
        failed.abort(error);
      } finally {
        release();
      }
    });
  await Promise.all(reading);
  failed.signal.throwIfAborted();
}

async function stateOf(
  target: Target,
  key: DataKey,
  { name, place }: { name: string; place: string },
): Promise<ChunkState> {
  const sealed = await target.get(place);
  if (sealed === null) return 'missing';
  try {
    return key.nameOf(key.open(sealed, place)) === name ? 'complete' : 'damaged';
  } catch (error) {
    if (error instanceof DamagedObject) return 'damaged';
    throw error;
  }
}
