import type { KeepRule } from '../../config/backup-keep.ts';
import { DamagedObject } from '../backup-problem.ts';
import type { DataKey } from '../keys/data-key.ts';
import {
  type Backup,
  chunkNameOf,
  chunkPrefix,
  listStoredBackups,
  manifestKey,
  readManifest,
} from '../manifest.ts';
import type { Target } from '../targets/target.ts';
import { chooseKept } from './choose-kept.ts';

export interface PruneOptions {
  rule: KeepRule;
  /** IANA name. */
  timezone: string;
  /** Whether a backup is not known as damaged. */
  isUndamaged: (id: string) => boolean;
  /** Ids of backups that are kept in any case. */
  pinned?: readonly string[];
  /** Removes nothing. */
  isDryRun: boolean;
  /** Throws when another daemon uses the target. */
  beforeRemoval?: () => Promise<void>;
}

/** Objects that are removed between two checks. */
const CHECK_EVERY = 50;

export interface PrunedBackups {
  kept: string[];
  removed: string[];
  /** Backups whose list of parts cannot be read: they stay, and so do all parts. */
  unreadable: { id: string; problem: string }[];
  /** Parts that no backup uses. */
  chunks: { removed: number; bytes: number };
}

/**
 * Removes the backups of one database that `rule` does not keep, then the parts that no backup uses. A crash at any point
 * leaves backups complete or removed, and parts without a backup for the next call:
 *
 *   manifests that are not kept ──▶ parts that no manifest names
 *
 * Call it for one database at a time, and write no backup of it meanwhile: a backup uses parts before its manifest names them.
 *
 * @throws BackupProblem
 */
export async function pruneBackups(
  target: Target,
  key: DataKey,
  database: string,
  { rule, timezone, isUndamaged, pinned = [], isDryRun, beforeRemoval }: PruneOptions,
): Promise<PrunedBackups> {
  const { backups, unreadable } = await readAll(target, key, database);
  const candidates = backups.map(({ backup: { id, created_at }, storedAt }) => ({
    id,
    createdAt: new Date(created_at),
    storedAt,
    isUndamaged: isUndamaged(id),
  }));
  const kept = chooseKept(candidates, rule, timezone);
  for (const { id } of candidates) if (pinned.includes(id)) kept.add(id);
  const removed = candidates.map(({ id }) => id).filter((id) => !kept.has(id));
  let deletions = 0;
  const remove = async (objectKey: string) => {
    if (isDryRun) return;
    if (deletions % CHECK_EVERY === 0) await beforeRemoval?.();
    deletions += 1;
    await target.delete(objectKey);
  };
  for (const id of removed) await remove(manifestKey(database, id));
  const used = new Set(backups.flatMap(({ backup: { id, chunks } }) => (kept.has(id) ? chunks : [])));
  return {
    kept: [...kept].toSorted(),
    removed,
    unreadable,
    chunks:
      unreadable.length > 0
        ? { removed: 0, bytes: 0 }
        : await removeUnused(target, database, { used, remove }),
  };
}

async function readAll(
  target: Target,
  key: DataKey,
  database: string,
): Promise<{ backups: { backup: Backup; storedAt: Date }[]; unreadable: PrunedBackups['unreadable'] }> {
  const backups: { backup: Backup; storedAt: Date }[] = [];
  const unreadable: PrunedBackups['unreadable'] = [];
  for (const { id, storedAt } of await listStoredBackups(target, database)) {
    try {
      backups.push({ backup: await readManifest(target, key, { database, id }), storedAt });
    } catch (error) {
      if (!(error instanceof DamagedObject)) throw error;
      const nextStep = `no part is removed until you copy ${manifestKey(database, id)} from another copy of the target, or delete it there`;
      unreadable.push({ id, problem: `${error.message}; ${nextStep}` });
    }
  }
  return { backups, unreadable };
}

async function removeUnused(
  target: Target,
  database: string,
  { used, remove }: { used: ReadonlySet<string>; remove: (key: string) => Promise<void> },
): Promise<PrunedBackups['chunks']> {
  const removed = { removed: 0, bytes: 0 };
  for await (const { key, bytes } of target.list(chunkPrefix(database))) {
    if (used.has(chunkNameOf(key))) continue;
    await remove(key);
    removed.removed += 1;
    removed.bytes += bytes;
  }
  return removed;
}
