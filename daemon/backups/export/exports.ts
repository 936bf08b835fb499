import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { FathomError, messageOf } from '../../../shared/errors.ts';
import { removeTree } from '../../base/files/remove-tree.ts';
import type { Logger } from '../../base/log/log.ts';
import type { Clock } from '../../base/time/clock.ts';
import type { MasterKeys } from '../../keys/envelope.ts';
import { answered } from '../run/answered.ts';
import { BackupProcesses } from '../run/backup-processes.ts';
import { type Backups, SCRATCH } from '../service/backups.ts';
import { type ArchivedFile, archiveOf } from './archive.ts';
import type { TableFormat } from './collection-reader.ts';
import { startExport } from './export-process.ts';
import type { ExportWork, PreparedExport } from './export-work.ts';
import { pacedStream } from './paced-stream.ts';

export interface ExportsDeps {
  /** BACKUP_TARGET */
  target: string;
  /** FATHOM_DATA_DIR */
  hostDir: string;
  masterKeys: MasterKeys;
  backups: Pick<Backups, 'inTurn' | 'hold' | 'proofs'>;
  /** The disk of the host is nearly full. */
  isDiskHeld: () => boolean;
  /** DISK_RESERVE_MB */
  reserveBytes: number;
  clock: Clock;
  log: Logger;
}

/** What is downloaded. */
export interface Download {
  fileName: string;
  /** Null when it is not known before. */
  bytes: number | null;
  stream: Readable;
}

export interface DownloadOptions {
  /** A user has one download at a time. Null for administrators. */
  userId: string | null;
  /** The reader is gone. */
  signal: AbortSignal;
}

/** At the same time, of all users: each has a process, and for a while a database on the disk. */
const MAX_EXPORTS = 4;

/**
 * Gives backups out, as an archive or as a table. A process reads, decrypts and writes, only as fast as the reader takes it. The
 * database is copied to the disk without its secrets first, and has no name there while it is sent. What a crash leaves, the next
 * start removes.
 */
export class Exports {
  readonly #deps: ExportsDeps;
  readonly #finders = new BackupProcesses(MAX_EXPORTS);
  readonly #users = new Set<string>();
  readonly #streams = new Set<Readable>();
  readonly #stopped = new AbortController();
  #active = 0;

  constructor(deps: ExportsDeps) {
    this.#deps = deps;
  }

  /**
   * A backup as a tar archive of one directory, with `data.db` and `storage/`.
   *
   * @param id of the backup; `latest` for the last one
   * @throws FathomError `not_found`, `conflict`, `backup.failed`
   */
  openBackup(database: string, id: string, options: DownloadOptions): Promise<Download> {
    return this.#begin(database, options, async (scope) => {
      const chosen = await this.#hold(database, id, scope);
      const wanted = { kind: 'archive', prefix: null } as const;
      return {
        fileName: `${database}-${chosen}.tar`,
        ...(await this.#start(database, chosen, wanted, scope)),
      };
    });
  }

  /**
   * The records of a collection, in the order of their creation.
   *
   * @throws FathomError `not_found`, `conflict` for a view, `backup.failed`
   */
  openCollection(
    database: string,
    id: string,
    { collection, format }: { collection: string; format: TableFormat },
    options: DownloadOptions,
  ): Promise<Download> {
    return this.#begin(database, options, async (scope) => {
      const chosen = await this.#hold(database, id, scope);
      const name = `${database}-${chosen}-${collection.replace(/[^\w-]/g, '_')}`;
      const wanted = { kind: 'table', collection, format } as const;
      return { fileName: `${name}.${format}`, ...(await this.#start(database, chosen, wanted, scope)) };
    });
  }

  /**
   * A tar archive of other files, and of the last backup of a database in the directory `database/`.
   *
   * @param database null without one
   * @throws FathomError `conflict`, `backup.failed`
   */
  openArchive(
    {
      fileName,
      others,
      database,
    }: { fileName: string; others: AsyncIterable<ArchivedFile>; database: string | null },
    options: DownloadOptions,
  ): Promise<Download> {
    return this.#begin(fileName, options, async (scope) => {
      if (database === null) return { fileName, bytes: null, content: archiveOf(others) };
      const wanted = { kind: 'archive', prefix: `database/${database}/` } as const;
      const id = await this.#hold(database, 'latest', scope);
      const { content } = await this.#start(database, id, wanted, scope);
      const both = async function* () {
        yield* archiveOf(others, { isEnded: false });
        yield* content;
      };
      return { fileName, bytes: null, content: both() };
    });
  }

  /** Ends all downloads. */
  async stop(): Promise<void> {
    this.#stopped.abort();
    for (const stream of this.#streams) stream.destroy();
    await this.#finders.close();
  }

  async #begin(
    what: string,
    { userId, signal }: DownloadOptions,
    prepare: (scope: Scope) => Promise<PreparedExport & { fileName: string }>,
  ): Promise<Download> {
    if (userId !== null && this.#users.has(userId))
      throw new FathomError('conflict', 'another download of this user is in progress; wait for its end');
    if (this.#active >= MAX_EXPORTS)
      throw new FathomError('conflict', `${MAX_EXPORTS} downloads are in progress; try again later`);
    await using release = new AsyncDisposableStack();
    this.#active += 1;
    if (userId !== null) this.#users.add(userId);
    release.defer(() => {
      this.#active -= 1;
      if (userId !== null) this.#users.delete(userId);
    });
    const ended = AbortSignal.any([signal, this.#stopped.signal]);
    const { content, ...download } = await answered(prepare({ release, signal: ended }));
    ended.throwIfAborted();
    return { ...download, stream: this.#streamOf(content, what, release.move()) };
  }

  #streamOf(content: AsyncIterable<Buffer>, what: string, release: AsyncDisposableStack): Readable {
    const { clock, log } = this.#deps;
    const released = async function* () {
      try {
        yield* content;
      } finally {
        // Before its end is seen: the reader may begin the next one at once.
        await release.disposeAsync();
      }
    };
    const stream = pacedStream(released(), clock);
    this.#streams.add(stream);
    // Its reader sees that it ends too early.
    stream.on('error', (error) => log.warn({ download: what }, `a download failed: ${messageOf(error)}`));
    stream.once('close', () => {
      this.#streams.delete(stream);
      // One that was never read has not released anything.
      void release.disposeAsync().catch((error: unknown) => {
        log.warn({ err: error, download: what }, `cannot remove what a download left: ${messageOf(error)}`);
      });
    });
    return stream;
  }

  /** Finds a backup, and keeps it from being pruned. @returns its id */
  #hold(database: string, id: string, { release }: Scope): Promise<string> {
    const { target, masterKeys: masters, backups, clock } = this.#deps;
    return backups.inTurn(database, async () => {
      const now = clock.now();
      const { backup } = await this.#finders.run({ kind: 'find', target, database, masters, id, now });
      if (backup === null) {
        await backups.proofs.requireUsedTarget();
        throw new FathomError('not_found', `there is no backup '${id}' of ${database}`);
      }
      release.defer(backups.hold(database, backup.id));
      return backup.id;
    });
  }

  async #start(
    database: string,
    id: string,
    wanted: ExportWork['wanted'],
    { release, signal }: Scope,
  ): Promise<PreparedExport> {
    const { target, hostDir, masterKeys: masters, isDiskHeld, reserveBytes } = this.#deps;
    if (isDiskHeld())
      throw new FathomError(
        'backup.failed',
        'the disk of FATHOM_DATA_DIR is nearly full; free some space, then download it again',
      );
    const directory = join(hostDir, SCRATCH, `export-${randomUUID()}`);
    release.defer(() => removeTree(directory));
    const work = { target, masters, database, id, directory, reserveBytes, wanted };
    const { end, ...prepared } = await startExport(work, signal);
    release.defer(end);
    return prepared;
  }
}

/** What is released at the end of a download, and when it is ended. */
interface Scope {
  release: AsyncDisposableStack;
  signal: AbortSignal;
}
