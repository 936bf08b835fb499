import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { FathomError } from '../../shared/errors.ts';
import { Semaphore } from '../base/semaphore.ts';
import type { ReplicaConfig } from '../config/replica.ts';
import { programEnvironment, readLitestream } from './litestream-binary.ts';
import { replicaUrl } from './litestream-config.ts';
import { describeFailure, outputOf } from './litestream-error.ts';
import type { ReplicaPaths } from './replica-paths.ts';
import { requirePresent } from './replica-target.ts';
import { restoreReplica } from './restore-replica.ts';

const run = promisify(execFile);
/** A target that is away. */
const TIMEOUT_MS = 30_000;
/** A line for each file. A busy database has 40,000. */
const MAX_OUTPUT_BYTES = 64 * 1024 * 1024;
/** A file that begins with the first transaction, of any level: level, first and last transaction, size, time. */
const BEGINNING = /^\d +0{15}1 +\S+ +\d+ +(?<time>\S+)$/gm;

/** At the same time, each with a process. */
const MAX_READERS = 2;

/** Reads what the replicas of databases have. */
export class ReplicaReader {
  readonly #config: ReplicaConfig;
  readonly #dataDir: string;
  readonly #paths: ReplicaPaths;
  readonly #slots = new Semaphore(MAX_READERS);
  readonly #stopped = new AbortController();

  constructor({ config, dataDir }: { config: ReplicaConfig; dataDir: string }, paths: ReplicaPaths) {
    this.#config = config;
    this.#dataDir = dataDir;
    this.#paths = paths;
  }

  /**
   * Restores `data.db` as it was at a time: without a write after it.
   *
   * @param file must not exist
   * @throws FathomError `conflict`, `not_found`, `backup.failed`
   */
  async restore(name: string, at: Date, file: string, signal: AbortSignal): Promise<void> {
    const { binary, url } = await this.#requireOwn(name);
    await restoreReplica({ binary, url, dataDir: this.#dataDir, name, at, file, signal });
  }

  /**
   * Restores the last state of a replica, also one of another host.
   *
   * @param path below the target
   * @param file must not exist
   * @throws FathomError `conflict`, `not_found`, `backup.failed`
   */
  async restoreLast(path: string, file: string, signal: AbortSignal): Promise<void> {
    const { binary, url } = await this.#require(path);
    await restoreReplica({ binary, url, dataDir: this.#dataDir, name: path, at: null, file, signal });
  }

  /**
   * The first time to which a database can be restored; null while its replica has nothing.
   *
   * @throws FathomError `conflict`, `backup.failed`
   */
  async readFirstTime(name: string): Promise<Date | null> {
    const { binary, url } = await this.#requireOwn(name);
    const { signal } = this.#stopped;
    const release = await this.#slots.acquire(signal);
    if (release === null) throw signal.reason;
    try {
      return await readFirstTime(binary, url, { name, signal });
    } finally {
      release();
    }
  }

  async #requireOwn(name: string): Promise<{ binary: string; url: string }> {
    return this.#require(await this.#paths.of(name));
  }

  async #require(path: string): Promise<{ binary: string; url: string }> {
    const { target, binaryPath } = this.#config;
    if (target === null)
      throw new FathomError('conflict', 'REPLICA is not set, so there are backups only; restore one of them');
    const binary = await readLitestream(binaryPath);
    if (!binary.usable) throw new FathomError('backup.failed', `${binary.problem}; ${binary.remedy}`);
    const [host = ''] = path.split('/');
    await requirePresent(target, host);
    return { binary: binary.path, url: replicaUrl(target, path) };
  }

  stop(): void {
    this.#stopped.abort();
  }
}

/**
 * The first time to which a replica can be restored.
 *
 * @param url of the replica
 * @returns null without one
 * @throws FathomError `backup.failed`
 */
async function readFirstTime(
  binary: string,
  url: string,
  { name, signal }: { name: string; signal: AbortSignal },
): Promise<Date | null> {
  try {
    const { stdout } = await run(binary, ['ltx', '-no-expand-env', '-level', 'all', url], {
      env: programEnvironment(),
      timeout: TIMEOUT_MS,
      killSignal: 'SIGKILL',
      maxBuffer: MAX_OUTPUT_BYTES,
      signal,
    });
    const times = [...stdout.matchAll(BEGINNING)].map(({ groups }) => Date.parse(groups?.['time'] ?? ''));
    // It lists full seconds, which are up to a second before.
    return times.length === 0 ? null : new Date(Math.min(...times) + 1000);
  } catch (error) {
    signal.throwIfAborted();
    throw new FathomError(
      'backup.failed',
      `the replica of ${name} cannot be read: ${describeFailure(outputOf(error))}`,
      { cause: error },
    );
  }
}
