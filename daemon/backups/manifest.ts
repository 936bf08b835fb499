import { z } from 'zod';
import { BackupProblem, DamagedObject } from './backup-problem.ts';
import { type DataKey, MIN_SEALED_BYTES } from './keys/data-key.ts';
import type { Target } from './targets/target.ts';

/*
 * What a target contains:
 *
 *   keys/DATABASE.json                          the data key, wrapped: see keys/stored-keys.ts
 *   chunks/DATABASE/NN/NAME                     a part of a file, sealed; NN are the first two digits of its name
 *   manifests/DATABASE/ID.json                  one backup, written after all of its chunks
 *   escrow/secrets.json                         the secrets of the host, for the recovery key: see keys/escrow.ts
 *
 * The control plane is the database `global`. Its backups have more files, see `CONTROL_PLANE_FILES`.
 *
 * A manifest can be listed, and its chunks be counted, without a key. Names, sizes and hashes of files are sealed.
 */

/** The name under which the control plane is backed up. No user database can have it. */
export const CONTROL_PLANE = 'global';

/** What a backup of the control plane has beside `data.db` and `storage/`. A restore moves it out of `pb_data`. */
export const CONTROL_PLANE_FILES = {
  /** `audit/` of the data directory: the archived rows of the audit log. */
  auditDir: 'audit',
  /** `audit-head.json` of the data directory. It is copied first, so it names a row that the backup has. */
  auditHead: 'audit-head.json',
  /** The settings without secrets: a JSON object of texts by name, as in an env file. */
  settings: 'settings.json',
} as const;

const sha256 = z.string().regex(/^[0-9a-f]{64}$/);

const fileSchema = z.strictObject({
  /** Below `pb_data`; see also `CONTROL_PLANE_FILES`. */
  path: z.string(),
  bytes: z.int().min(0),
  sha256,
  /** Names, in order. */
  chunks: z.array(sha256),
});

export type BackedUpFile = z.infer<typeof fileSchema>;

const headerSchema = z.strictObject({
  format: z.literal(1),
  id: z.string(),
  database: z.string(),
  created_at: z.iso.datetime(),
  /** Of all files. */
  bytes: z.int().min(0),
  /** Names of all chunks, sorted. */
  chunks: z.array(sha256),
});

export type BackupHeader = z.infer<typeof headerSchema>;

const storedSchema = headerSchema.extend({
  /** Base64 of the sealed list of files. */
  files: z.string(),
});

export interface Backup extends BackupHeader {
  files: readonly BackedUpFile[];
}

export function chunkKey(database: string, name: string): string {
  return `${chunkPrefix(database)}${name.slice(0, 2)}/${name}`;
}

export function chunkPrefix(database: string): string {
  return `chunks/${database}/`;
}

/** The name of a chunk, from its key. */
export function chunkNameOf(key: string): string {
  return key.slice(key.lastIndexOf('/') + 1);
}

/** Lists the chunks of a database, without those that a disk or another program has truncated. */
export async function* listChunks(
  target: Target,
  database: string,
): AsyncGenerator<{ name: string; bytes: number }> {
  for await (const { key, bytes } of target.list(chunkPrefix(database)))
    if (bytes >= MIN_SEALED_BYTES) yield { name: chunkNameOf(key), bytes };
}

/** Makes a backup visible. All of its chunks must be stored. */
export async function storeManifest(target: Target, key: DataKey, backup: Backup): Promise<void> {
  const { files, ...header } = backup;
  const sealed = key.seal(Buffer.from(JSON.stringify(files)), contextOf(header));
  const stored: z.infer<typeof storedSchema> = { ...header, files: sealed.toString('base64') };
  await target.put(manifestKey(header.database, header.id), Buffer.from(JSON.stringify(stored)));
}

/** What can be read without a key. @throws BackupProblem when it is missing or damaged */
export async function readHeader(
  target: Target,
  which: { database: string; id: string },
): Promise<BackupHeader> {
  const { files: _sealed, ...header } = await readStored(target, which);
  return header;
}

/** @throws BackupProblem when it is missing, damaged, or changed */
export async function readManifest(
  target: Target,
  key: DataKey,
  which: { database: string; id: string },
): Promise<Backup> {
  const { files: sealed, ...header } = await readStored(target, which);
  const files = key.open(Buffer.from(sealed, 'base64'), contextOf(header));
  return { ...header, files: parse(z.array(fileSchema), files, manifestKey(which.database, which.id)) };
}

async function readStored(
  target: Target,
  { database, id }: { database: string; id: string },
): Promise<z.infer<typeof storedSchema>> {
  const place = manifestKey(database, id);
  const content = await target.get(place);
  if (content === null) throw new BackupProblem(`there is no backup ${id} of ${database}`);
  const stored = parse(storedSchema, content, place);
  if (stored.database !== database || stored.id !== id)
    throw new DamagedObject(`${place} belongs to another backup (${stored.database}, ${stored.id})`);
  return stored;
}

/** The part of ids that backups of this millisecond begin with. Ids sort by time. */
export function idTimeOf(at: Date): string {
  return at.toISOString().replace(/[-:.]/g, '').toLowerCase();
}

/** The backups of all databases by name, oldest first. */
export async function listAllBackups(target: Target): Promise<Map<string, string[]>> {
  const found = new Map<string, string[]>();
  for await (const { key } of target.list('manifests/')) {
    const [, database, id] = /^manifests\/([^/]+)\/([^/]+)\.json$/.exec(key) ?? [];
    if (database === undefined || id === undefined) continue;
    const ids = found.get(database) ?? [];
    if (ids.length === 0) found.set(database, ids);
    ids.push(id);
  }
  for (const ids of found.values()) ids.sort();
  return found;
}

/** The backups of a database, oldest first. */
export async function listBackups(target: Target, database: string): Promise<string[]> {
  return (await listStoredBackups(target, database)).map(({ id }) => id);
}

/** The backups of a database, oldest first, with the time at which the target stored them. */
export async function listStoredBackups(
  target: Target,
  database: string,
): Promise<{ id: string; storedAt: Date }[]> {
  const backups: { id: string; storedAt: Date }[] = [];
  const prefix = manifestPrefix(database);
  for await (const { key, storedAt } of target.list(prefix)) {
    const id = /^([^/]+)\.json$/.exec(key.slice(prefix.length))?.[1];
    if (id !== undefined) backups.push({ id, storedAt });
  }
  return backups.toSorted((a, b) => (a.id < b.id ? -1 : 1));
}

export function manifestKey(database: string, id: string): string {
  return `${manifestPrefix(database)}${id}.json`;
}

export function manifestPrefix(database: string): string {
  return `manifests/${database}/`;
}

/** The header cannot be changed without the key, although it is readable. */
function contextOf({ format, id, database, created_at, bytes, chunks }: BackupHeader): string {
  return JSON.stringify(['manifest', format, id, database, created_at, bytes, chunks]);
}

function parse<T>(schema: z.ZodType<T>, content: Buffer, place: string): T {
  try {
    return schema.parse(JSON.parse(content.toString()));
  } catch (error) {
    throw new DamagedObject(`${place} is damaged; use another backup`, { cause: error });
  }
}
