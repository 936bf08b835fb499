import type { BackupFailureReason } from '../../../shared/backup-failure.ts';
import { FathomError, messageOf } from '../../../shared/errors.ts';
import { isDiskFull } from '../../base/files/dir.ts';
import { modulePath } from '../../base/package.ts';
import type { KeepRule } from '../../config/backup-keep.ts';
import type { MasterKeys } from '../../keys/envelope.ts';
import { SqlProcesses } from '../../pocketbase/data/sql-processes.ts';
import {
  type ArchiveFacts,
  type ArchiveWork,
  readArchiveFacts,
  type UnpackWork,
  unpackArchive,
} from '../archive/unpack-archive.ts';
import { BackupProblem, DamagedDatabase, DamagedObject, type NamedFailure } from '../backup-problem.ts';
import type { DataKey } from '../keys/data-key.ts';
import { checkEscrow, type EscrowCheck, type Secrets, storeEscrow } from '../keys/escrow.ts';
import { ensureDataKey, keyOf, readDataKey } from '../keys/stored-keys.ts';
import {
  type Backup,
  type BackupHeader,
  CONTROL_PLANE,
  chunkPrefix,
  listBackups,
  listChunks,
  manifestKey,
  manifestPrefix,
  readHeader,
  readManifest,
} from '../manifest.ts';
import { eraseBackups } from '../retention/erase-backups.ts';
import { type PrunedBackups, pruneBackups } from '../retention/prune-backups.ts';
import { removeDamagedChunks, type VerifiedBackup, verifyBackups } from '../retention/verify-backups.ts';
import { openTarget } from '../targets/open-target.ts';
import type { Target } from '../targets/target.ts';
import { lockOf, NamedTarget, TargetFailure } from '../targets/target-failure.ts';
import { type BackupSource, writeBackup } from '../write-backup.ts';
import {
  type FetchedFiles,
  type FetchFilesWork,
  fetchFiles,
  type StoreFilesWork,
  storeFiles,
} from './files-work.ts';
import { type DiskSpace, leaveSpace } from './leave-space.ts';
import {
  type FindWork,
  type FoundBackup,
  findBackup,
  notedBytes,
  type RestoredFiles,
  type RestoreWork,
  restoreFiles,
} from './restore-work.ts';
import {
  checkTargetId,
  identifyTarget,
  isMarked,
  readTargetId,
  type TargetClaim,
  type TargetWriter,
} from './target-identity.ts';

/** Keys for which the keys of backups are wrapped. */
export interface WrappingKeys {
  masters: MasterKeys;
  /** The public half of the recovery key; null without one. */
  recovery: string | null;
}

/** What a process does. `target` is BACKUP_TARGET, and no other daemon may have replaced `writer`. */
export type BackupWork =
  | {
      kind: 'prepare';
      target: string;
      claim: TargetClaim;
      keys: WrappingKeys;
      secrets: Secrets;
      /** The keys have changed, so those of all databases are wrapped again. */
      rewrap: boolean;
    }
  | {
      kind: 'backup';
      target: string;
      writer: TargetWriter;
      keys: WrappingKeys;
      source: BackupSource;
      at: Date;
      reserve: DiskSpace;
    }
  | { kind: 'list'; target: string; database: string }
  | {
      kind: 'escrow';
      target: string;
      secrets: Secrets;
      recovery: string;
      masterKey: Uint8Array;
      expectedSha256: string | null;
    }
  | FindWork
  | RestoreWork
  | ArchiveWork
  | UnpackWork
  | {
      kind: 'prune';
      target: string;
      writer: TargetWriter;
      database: string;
      masters: MasterKeys;
      rule: KeepRule;
      timezone: string;
      /** Ids. They do not displace others. */
      damaged: readonly string[];
      /** Ids. They are kept in any case. */
      pinned: readonly string[];
      isDryRun: boolean;
    }
  | {
      kind: 'verify';
      target: string;
      writer: TargetWriter;
      database: string;
      masters: MasterKeys;
      /** Empty for all. */
      ids: readonly string[];
    }
  | {
      kind: 'erase';
      target: string;
      writer: TargetWriter;
      database: string;
      /** The account was erased as well. */
      account: boolean;
      at: Date;
    }
  /** `target` is REPLICA. */
  | { kind: 'erase-replica'; target: string; prefix: string }
  | StoreFilesWork
  | FetchFilesWork
  /** Whether a host has ever used the target. */
  | { kind: 'is-used'; target: string };

export interface ListedBackup {
  id: string;
  created_at: string;
  /** 0 when the list of parts was changed. */
  bytes: number;
  /** Of the parts that no earlier backup has. */
  stored_bytes: number;
  /** It cannot be restored: its list of parts was changed, or a part is missing. */
  damaged: boolean;
}

export interface BackupResults {
  /** `unusable` are keys that cannot be wrapped again: damaged, or of another host. */
  prepare: {
    targetId: string;
    unusable: { database: string; problem: string }[];
    /** SHA-256 of the escrow, if it was stored now. */
    escrow: string | null;
  };
  escrow: EscrowCheck;
  backup: { id: string; created_at: string; bytes: number; stored_bytes: number; stored_chunks: number };
  /** The newest first. */
  list: ListedBackup[];
  find: FoundBackup;
  restore: RestoredFiles;
  archive: ArchiveFacts;
  unpack: null;
  prune: PrunedBackups;
  verify: VerifiedBackup[];
  erase: null;
  'erase-replica': null;
  'store-files': { stored: number };
  'fetch-files': FetchedFiles;
  'is-used': boolean;
}

/** Kept, so that one connection serves all the work of a process. */
let opened: { text: string; target: Target } | null = null;

/** Reads the content of users, so it runs in another process. That one ends with this process. */
const reader = new SqlProcesses(modulePath('daemon/backups/run/integrity-main'));

const readDatabase = (file: string) => reader.run({ file }) as Promise<string | null>;

/**
 * Runs in a process of its own.
 *
 * @param onBytes called with the bytes that a restore has read
 * @throws BackupProblem, and errors that `failureOf` names
 */
export async function runBackupWork<W extends BackupWork>(
  work: W,
  onBytes: (bytes: number) => void = () => {},
): Promise<BackupResults[W['kind']]> {
  if (opened?.text !== work.target)
    opened = { text: work.target, target: new NamedTarget(openTarget(work.target)) };
  const { target } = opened;
  return (await run(work, target, onBytes)) as BackupResults[W['kind']];
}

function run(
  work: BackupWork,
  target: Target,
  onBytes: (bytes: number) => void,
): Promise<BackupResults[BackupWork['kind']]> {
  switch (work.kind) {
    case 'prepare':
      return prepare(work, target);
    case 'backup':
      return backUp(work, target);
    case 'list':
      return list(work, target);
    case 'escrow':
      return checkEscrow(target, work.secrets, work);
    case 'find':
      return findBackup(work, target);
    case 'restore':
      return restoreFiles(work, target, { find: readDatabase, onBytes });
    case 'archive':
      return readArchiveFacts(work);
    case 'unpack':
      return unpackArchive(work, { find: readDatabase, onBytes: notedBytes(onBytes) });
    case 'prune':
      return prune(work, target);
    case 'verify':
      return verify(work, target);
    case 'erase':
      return erase(work, target);
    case 'erase-replica':
      return eraseReplica(work.prefix, target);
    case 'store-files':
      return storeFiles(work, target);
    case 'fetch-files':
      return fetchFiles(work, target);
    case 'is-used':
      return isMarked(target);
    default:
      return work satisfies never;
  }
}

async function prepare(
  { claim, keys, secrets, rewrap }: Extract<BackupWork, { kind: 'prepare' }>,
  target: Target,
): Promise<BackupResults['prepare']> {
  const targetId = await identifyTarget(target, claim);
  const { masters, recovery } = keys;
  const escrow =
    recovery === null ? null : await storeEscrow(target, secrets, { recovery, masterKey: masters[0].key });
  const unusable: BackupResults['prepare']['unusable'] = [];
  if (rewrap) {
    for await (const { key } of target.list('keys/')) {
      const database = /^keys\/(.+)\.json$/.exec(key)?.[1];
      if (database === undefined) continue;
      try {
        await ensureDataKey(target, database, keys);
      } catch (error) {
        if (!isOfKey(error)) throw error;
        unusable.push({ database, problem: messageOf(error) });
      }
    }
  }
  return { targetId, unusable, escrow };
}

/** Whether only one key is concerned, and not the target. */
function isOfKey(error: unknown): boolean {
  if (error instanceof TargetFailure) return false;
  return error instanceof BackupProblem || reasonOf(error) === 'key_unusable';
}

async function backUp(
  { writer, keys, source, at, target: url, reserve }: Extract<BackupWork, { kind: 'backup' }>,
  unlimited: Target,
): Promise<BackupResults['backup']> {
  const targetId = await readTargetId(unlimited, writer);
  const target = await leaveSpace(unlimited, url, reserve);
  const key = await ensureDataKey(target, source.database, keys);
  const previous = await readLatest(target, key, source.database);
  const { backup, stored } = await writeBackup(source, {
    target,
    key,
    previous,
    now: at,
    find: readDatabase,
    beforeManifest: () => checkTargetId(target, writer, targetId),
  });
  const { id, created_at, bytes } = backup;
  return { id, created_at, bytes, stored_bytes: stored.bytes, stored_chunks: stored.chunks };
}

/** Null without one that can be read: then all files are read again. */
async function readLatest(target: Target, key: DataKey, database: string): Promise<Backup | null> {
  const id = (await listBackups(target, database)).at(-1);
  if (id === undefined) return null;
  try {
    return await readManifest(target, key, { database, id });
  } catch (error) {
    if (error instanceof BackupProblem && !(error instanceof TargetFailure)) return null;
    throw error;
  }
}

async function list(
  { database }: Extract<BackupWork, { kind: 'list' }>,
  target: Target,
): Promise<BackupResults['list']> {
  const headers: ListedHeader[] = [];
  for (const id of await listBackups(target, database)) {
    const header = await readListed(target, { database, id });
    if (header) headers.push(header);
  }
  // After the manifests, so that every part of theirs is on the target already.
  const sizes = new Map<string, number>();
  for await (const { name, bytes } of listChunks(target, database)) sizes.set(name, bytes);
  const backups: BackupResults['list'] = [];
  const counted = new Set<string>();
  for (const { chunks, ...header } of headers) {
    const isIncomplete = chunks.some((name) => !sizes.has(name));
    // Pruned in the meantime.
    if (isIncomplete && !(await target.has(manifestKey(database, header.id)))) continue;
    const added = chunks.filter((name) => !counted.has(name));
    for (const name of added) counted.add(name);
    const stored_bytes = added.reduce((sum, name) => sum + (sizes.get(name) ?? 0), 0);
    backups.push({ ...header, stored_bytes, damaged: header.damaged || isIncomplete });
  }
  return backups.toReversed();
}

type ListedHeader = Omit<ListedBackup, 'stored_bytes'> & Pick<BackupHeader, 'chunks'>;

/** Null for one that was pruned in the meantime, and for an object that is no backup. */
async function readListed(
  target: Target,
  which: { database: string; id: string },
): Promise<ListedHeader | null> {
  const { id } = which;
  try {
    const { created_at, bytes, chunks } = await readHeader(target, which);
    return { id, created_at, bytes, chunks, damaged: false };
  } catch (error) {
    if (!(error instanceof DamagedObject)) {
      if (await target.has(manifestKey(which.database, id))) throw error;
      return null;
    }
    const time = /^(\d{4})(\d\d)(\d\d)t(\d\d)(\d\d)(\d\d)(\d{3})z-/.exec(id);
    if (!time) return null;
    const [, year, month, day, hour, minute, second, milliseconds] = time;
    return {
      id,
      created_at: `${year}-${month}-${day}T${hour}:${minute}:${second}.${milliseconds}Z`,
      bytes: 0,
      chunks: [],
      damaged: true,
    };
  }
}

/** Longer than the longest `put`, also with a clock of the target that is wrong by hours. */
const UNFINISHED_AGE_MS = 86_400_000;

/** Of a database without backups. */
const NOTHING_TO_PRUNE: PrunedBackups = {
  kept: [],
  removed: [],
  unreadable: [],
  chunks: { removed: 0, bytes: 0 },
};

async function prune(
  {
    writer,
    database,
    masters,
    rule,
    timezone,
    damaged,
    pinned,
    isDryRun,
  }: Extract<BackupWork, { kind: 'prune' }>,
  target: Target,
): Promise<PrunedBackups> {
  const targetId = await readTargetId(target, writer);
  if (!(await target.has(keyOf(database)))) return NOTHING_TO_PRUNE;
  const key = await readDataKey(target, database, { masters });
  const isUndamaged = (id: string) => !damaged.includes(id);
  if (!isDryRun) await removeUnfinished(target, database);
  const beforeRemoval = () => checkTargetId(target, writer, targetId);
  return pruneBackups(target, key, database, {
    rule,
    timezone,
    isUndamaged,
    pinned,
    isDryRun,
    beforeRemoval,
  });
}

/** Parts of objects whose writers were killed. No backup of the database is written meanwhile. */
async function removeUnfinished(target: Target, database: string): Promise<void> {
  const before = new Date(Date.now() - UNFINISHED_AGE_MS);
  const ofHost = database === CONTROL_PLANE ? ['', 'keys/', 'escrow/'] : [];
  for (const prefix of [manifestPrefix(database), chunkPrefix(database), ...ofHost])
    await target.removeUnfinished(prefix, before);
}

async function verify(
  { writer, database, masters, ids }: Extract<BackupWork, { kind: 'verify' }>,
  target: Target,
): Promise<VerifiedBackup[]> {
  await readTargetId(target, writer);
  const chosen = ids.length > 0 ? ids : await listBackups(target, database);
  const missing = [keyOf(database)];
  if (!(await target.has(keyOf(database))))
    return chosen.map((id) => ({ id, state: 'damaged', chunks: 0, bytes: 0, missing, damaged: [] }));
  const key = await readDataKey(target, database, { masters });
  const verified = await verifyBackups(target, key, { database, ids: chosen });
  await removeDamagedChunks(target, key, { database, verified });
  return verified;
}

/** Its content is not encrypted, so former versions of objects go as well. */
async function eraseReplica(prefix: string, target: Target): Promise<null> {
  for await (const { key } of target.list(prefix)) await target.erase(key);
  await target.eraseAll(prefix);
  return null;
}

/** @throws TargetFailure for a target that another daemon uses */
async function erase(
  { writer, database, account, at }: Extract<BackupWork, { kind: 'erase' }>,
  target: Target,
): Promise<null> {
  await readTargetId(target, writer);
  await eraseBackups(target, database, { account, at });
  return null;
}

/** The named reason of an error of `runBackupWork`. */
export function failureOf(error: unknown): NamedFailure {
  const until = lockOf(error)?.until ?? null;
  const remedy = error instanceof TargetFailure ? error.remedy : null;
  return {
    reason: reasonOf(error),
    message: messageOf(error),
    ...(remedy !== null && { remedy }),
    ...(until && { lockedUntil: until }),
  };
}

function reasonOf(error: unknown): BackupFailureReason {
  if (error instanceof TargetFailure) return error.reason;
  if (error instanceof DamagedDatabase) return 'database_damaged';
  if (error instanceof FathomError && error.code === 'secret.undecryptable') return 'key_unusable';
  return isDiskFull(error) ? 'disk_full' : 'failed';
}
