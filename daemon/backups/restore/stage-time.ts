import { opendir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { FathomError } from '../../../shared/errors.ts';
import { cloneOrCopy } from '../../base/files/clone-or-copy.ts';
import { exists, makeDirectory, unlessMissing } from '../../base/files/dir.ts';
import { removeTree } from '../../base/files/remove-tree.ts';
import type { Clock } from '../../base/time/clock.ts';
import { repeat } from '../../base/time/repeat.ts';
import type { MasterKeys } from '../../keys/envelope.ts';
import { dataDirOf } from '../../supervisor/instance-spec.ts';
import type { BackupProcesses } from '../run/backup-processes.ts';
import type { BackupResults } from '../run/backup-work.ts';

const MEASURE_EVERY_MS = 500;

export interface Replicas {
  /** Waits a little until the replica has everything of before a time. @throws FathomError `conflict` */
  untilReached: (name: string, at: Date, signal: AbortSignal) => Promise<void>;
  /** Restores `data.db` as it was at a time. @throws FathomError `not_found`, `conflict`, `backup.failed` */
  restore: (name: string, at: Date, file: string, signal: AbortSignal) => Promise<void>;
}

/** The newest backup of before a time that can be restored; null without one. */
export function chooseBackupBefore<B extends Pick<BackupResults['list'][number], 'created_at' | 'damaged'>>(
  backups: readonly B[],
  at: Date,
): B | null {
  const usable = backups.filter(
    ({ created_at, damaged }) => !damaged && Date.parse(created_at) <= at.getTime(),
  );
  return usable.toSorted((a, b) => Date.parse(b.created_at) - Date.parse(a.created_at))[0] ?? null;
}

/**
 * Puts `data.db` of the replica into a directory, and beside it the uploaded files: those of the newest backup before that
 * time, and those that the database has now. Names of uploaded files are random and never used again, so no file of
 * another time takes the place of one.
 *
 * @param staged must not exist. It becomes a `pb_data`
 * @param directory of the database
 */
export async function stageTime(
  {
    name,
    at,
    staged,
    directory,
    signal,
    onBytes,
  }: {
    name: string;
    at: Date;
    staged: string;
    directory: string;
    signal: AbortSignal;
    onBytes: (read: number) => void;
  },
  {
    target,
    masterKeys: masters,
    processes,
    replicas,
    clock,
  }: {
    target: string;
    masterKeys: MasterKeys;
    processes: BackupProcesses;
    replicas: Replicas;
    clock: Clock;
  },
  backup: { id: string; bytes: number } | null,
): Promise<void> {
  await replicas.untilReached(name, at, signal);
  if (backup === null) await makeDirectory(staged);
  else
    await processes.run(
      { kind: 'restore', target, database: name, masters, id: backup.id, directory: staged },
      { onBytes },
    );
  const file = join(staged, 'data.db');
  for (const suffix of ['', '-wal', '-shm']) await removeTree(`${file}${suffix}`);
  const stopMeasuring = repeat(clock, MEASURE_EVERY_MS, async () => {
    // What Litestream writes until it is whole. Best effort: it is progress only.
    const written = await stat(`${file}.tmp`).catch(() => null);
    if (written !== null) onBytes((backup?.bytes ?? 0) + written.size);
  });
  try {
    await replicas.restore(name, at, file, signal);
  } finally {
    await stopMeasuring();
  }
  await addMissing(join(dataDirOf(directory), 'storage'), join(staged, 'storage'));
}

/** Copies files that a directory lacks. Links and special files are left out. */
async function addMissing(from: string, to: string): Promise<void> {
  const opened = await opendir(from).catch(unlessMissing);
  if (!opened) return;
  await makeDirectory(to);
  for await (const entry of opened) {
    const [source, copy] = [join(from, entry.name), join(to, entry.name)];
    if (entry.isDirectory()) await addMissing(source, copy);
    // It may be deleted meanwhile, as the database serves.
    else if (entry.isFile() && !(await exists(copy))) await cloneOrCopy(source, copy).catch(unlessMissing);
  }
}

/** @throws FathomError `conflict` */
export function requirePast(at: Date, now: Date): void {
  if (at <= now) return;
  throw new FathomError('conflict', `${at.toISOString()} is in the future; restore an earlier time`);
}
