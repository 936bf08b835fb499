import { existsSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { backoffMs } from '../../../shared/backoff.ts';
import { FathomError, messageOf } from '../../../shared/errors.ts';
import type { InstancePhase } from '../../../shared/instance.ts';
import { BackupProcesses } from '../../backups/run/backup-processes.ts';
import { changeStamp } from '../../backups/service/change-stamp.ts';
import { STORAGE } from '../../backups/write-backup.ts';
import { KeyedMutex } from '../../base/keyed-mutex.ts';
import type { Logger } from '../../base/log/log.ts';
import { type Clock, settlesWithin } from '../../base/time/clock.ts';
import { type Loop, startLoop } from '../../base/time/repeat.ts';
import type { ReplicaConfig } from '../../config/replica.ts';
import { dataDirOf } from '../../supervisor/instance-spec.ts';
import { replicaPrefix } from '../litestream-config.ts';
import type { ReplicaPaths } from '../replica-paths.ts';
import { requirePresent } from '../replica-target.ts';

const LOOK_EVERY_MS = 1_000;
const MIN_WAIT_MS = 2_000;
const MAX_WAIT_MS = 30_000;
/** It looks again after this many times the time that it took: at most a twentieth of a core. */
const SHARE = 20;
const BACKOFF = { baseMs: 2_000, capMs: 300_000 };
/** Then all files are compared with those in the target, in case that one was missed. */
const COMPARE_EVERY_MS = 86_400_000;
/** A target that is away must not delay the stop of the daemon for longer. */
const STOP_MS = 30_000;
/** The clock of the file system runs a little behind. */
const OVERLAP_MS = 1_000;
const PARALLEL = 2;

/** Phases in which a database can get files. */
const USED: ReadonlySet<InstancePhase> = new Set(['running', 'unresponsive']);

export interface FileSubject {
  name: string;
  directory: string;
  phase: () => InstancePhase;
}

/** A node whose databases others may take over. */
export interface FleetOwner {
  fleet: string;
  /** Whether no other node can have a database now. */
  holds(name: string): boolean;
  /** Called when all files of a database are stored, again and again. Never rejects. */
  noteStored(name: string): Promise<void>;
}

export interface FileReplicasDeps {
  config: ReplicaConfig;
  /** Null when no other node takes over the databases: then only backups have the files. */
  cluster: FleetOwner | null;
  paths: Pick<ReplicaPaths, 'host'>;
  clock: Clock;
  log: Logger;
}

interface Watched {
  directory: string;
  /** Another one has files that may look old. */
  dataDir: string | null;
  /** Of the database when everything was stored; null when that is not certain. */
  stamp: string | null;
  /** Files of before are stored; null compares all. */
  since: number | null;
  /** Monotonic. */
  dueAt: number;
  comparedAt: number;
  failures: number;
  isBusy: boolean;
}

/**
 * Stores the uploaded files of databases beside their replicas, for the nodes that take them over: Litestream replicates `data.db`
 * only. All nodes of a fleet use one place, so that a new owner stores nothing again.
 */
export class FileReplicas {
  readonly #deps: FileReplicasDeps;
  readonly #perDatabase = new KeyedMutex();
  readonly #processes = new BackupProcesses(PARALLEL);
  /** For those that take long: new files of other databases do not wait for them. */
  readonly #comparisons = new BackupProcesses(1);
  /** All databases are compared once, also those without a process. */
  readonly #seen = new Set<string>();
  readonly #watched = new Map<string, Watched>();
  readonly #problems = new Map<string, string>();
  #subjects: () => Iterable<FileSubject> = () => [];
  #loop: Loop | null = null;

  constructor(deps: FileReplicasDeps) {
    this.#deps = deps;
  }

  /** Why files are not stored; null when all are, or will be soon. */
  get problem(): string | null {
    const [problem] = this.#problems.values();
    return problem ?? null;
  }

  start(subjects: () => Iterable<FileSubject>): void {
    const { config, cluster } = this.#deps;
    if (config.target === null || cluster === null) return;
    this.#subjects = subjects;
    this.#loop = startLoop(this.#deps.clock, () => this.#pass());
  }

  /** Stores what is left. Call it after the databases have ended. */
  async stop(): Promise<void> {
    await this.#loop?.stop();
    const { cluster, clock } = this.#deps;
    const changed = [...this.#watched].filter(
      ([name, watched]) => cluster?.holds(name) === true && this.#isChanged(watched),
    );
    const stored = Promise.all(changed.map(([name]) => this.#storeNew(name)));
    await settlesWithin(clock, STOP_MS, stored);
    await Promise.all([this.#processes.close(), this.#comparisons.close()]);
    await stored;
  }

  /** The names of databases of which not all files are stored, after `stop`. */
  incomplete(): string[] {
    return [...this.#problems.keys()];
  }

  /** Stores all files of a database. @throws FathomError `backup.failed` */
  async storeAll(name: string, directory: string): Promise<void> {
    const place = await this.#requirePlace(name);
    const work = { kind: 'store-files', ...place, directory: dataDirOf(directory), since: null } as const;
    try {
      await this.#perDatabase.run(name, () => this.#processes.run(work, { isUrgent: true }));
      this.#problems.delete(name);
    } catch (error) {
      const message = `the uploaded files of ${name} cannot be stored in REPLICA: ${messageOf(error)}`;
      throw new FathomError('backup.failed', message, { cause: error });
    }
  }

  /**
   * Writes the files of a database that another node stored.
   *
   * @param wanted.known a `pb_data` that may have some of them
   * @param wanted.mayLack whether files that are damaged in the target may be missing: no other node has them
   * @throws BackupFailed, FathomError `backup.failed`
   */
  async fetch(
    name: string,
    { dataDir, known, mayLack }: { dataDir: string; known: string | null; mayLack: boolean },
  ): Promise<void> {
    const place = this.#placeOf(name);
    if (place === null) return;
    const work = { kind: 'fetch-files', ...place, directory: dataDir, known } as const;
    const { damaged } = await this.#processes.run(work, { isUrgent: true });
    if (damaged.length === 0) return;
    const message = `${damaged.length} uploaded files of ${name} are damaged in REPLICA, such as ${damaged[0]}`;
    if (!mayLack) throw new FathomError('backup.failed', message);
    this.#deps.log.error({ instance: name, damaged }, `${message}; restore them from a backup`);
  }

  /** Removes the files of a database that was erased. @throws BackupFailed */
  async erase(name: string): Promise<void> {
    const place = this.#placeOf(name);
    if (place === null) return;
    this.#forget(name);
    await this.#perDatabase.run(name, () => this.#processes.run({ kind: 'erase-replica', ...place }));
  }

  #placeOf(name: string): { target: string; prefix: string } | null {
    const { config, cluster } = this.#deps;
    if (config.target === null || cluster === null) return null;
    return { target: config.target, prefix: `${replicaPrefix(cluster.fleet, name)}files/` };
  }

  /** @throws FathomError `backup.failed` for a directory that is not mounted */
  async #requirePlace(name: string): Promise<{ target: string; prefix: string }> {
    const place = this.#placeOf(name);
    if (place === null) throw new Error(`${name} has no place for its files`);
    await requirePresent(place.target, await this.#deps.paths.host());
    return place;
  }

  /** @returns milliseconds until the next look */
  async #pass(): Promise<number> {
    const now = this.#deps.clock.monotonic();
    const used = new Set<string>();
    for (const { name, directory, phase } of this.#subjects()) {
      if (this.#seen.has(name) && !USED.has(phase())) continue;
      used.add(name);
      this.#seen.add(name);
      if (!this.#watched.has(name)) this.#watch(name, directory);
    }
    for (const [name, watched] of this.#watched) {
      if (watched.isBusy || now < watched.dueAt) continue;
      // Otherwise another node may store its files by now.
      const isHeld = this.#deps.cluster?.holds(name) === true;
      if (isHeld && this.#isChanged(watched)) void this.#storeNew(name);
      else if (!used.has(name)) this.#forget(name);
    }
    return LOOK_EVERY_MS;
  }

  #watch(name: string, directory: string): void {
    const nothing = { dataDir: null, stamp: null, since: null, comparedAt: 0 };
    this.#watched.set(name, { directory, ...nothing, dueAt: 0, failures: 0, isBusy: false });
  }

  #forget(name: string): void {
    this.#watched.delete(name);
    this.#problems.delete(name);
  }

  /** Whether there may be new files. Each has a row. */
  #isChanged({ directory, stamp }: Watched): boolean {
    const dataDir = dataDirOf(directory);
    const found = changeStamp(dataDir, this.#deps.clock.now());
    return found !== null && (found.isRecent || found.stamp !== stamp) && existsSync(join(dataDir, STORAGE));
  }

  /** Never rejects. */
  async #storeNew(name: string): Promise<void> {
    const { clock, log } = this.#deps;
    const watched = this.#watched.get(name);
    if (watched === undefined) return;
    watched.isBusy = true;
    const begun = clock.monotonic();
    try {
      await this.#perDatabase.run(name, async () => {
        // It was erased meanwhile.
        if (this.#watched.get(name) !== watched) return;
        const place = await this.#requirePlace(name);
        const at = clock.now().getTime();
        const directory = dataDirOf(watched.directory);
        const found = changeStamp(directory, clock.now());
        const stamp = found === null || found.isRecent ? null : found.stamp;
        const { dev, ino } = statSync(directory);
        const dataDir = `${dev}:${ino}`;
        const isDue = begun - watched.comparedAt >= COMPARE_EVERY_MS || dataDir !== watched.dataDir;
        // After a jump of the clock, files may look older than they are.
        const isTrusted = watched.since !== null && watched.since <= at;
        const since = isDue || !isTrusted ? null : watched.since;
        const processes = since === null ? this.#comparisons : this.#processes;
        await processes.run({ kind: 'store-files', ...place, directory, since });
        if (since === null) watched.comparedAt = begun;
        Object.assign(watched, { dataDir, stamp, since: at - OVERLAP_MS, failures: 0 });
      });
      this.#problems.delete(name);
      await this.#deps.cluster?.noteStored(name);
      const took = clock.monotonic() - begun;
      watched.dueAt = clock.monotonic() + Math.min(MAX_WAIT_MS, Math.max(MIN_WAIT_MS, SHARE * took));
    } catch (error) {
      const problem = `uploaded files of ${name} are not replicated: ${messageOf(error)}`;
      if (this.#problems.get(name) !== problem) log.error({ err: error, instance: name }, problem);
      this.#problems.set(name, problem);
      watched.failures += 1;
      watched.dueAt = clock.monotonic() + backoffMs(watched.failures, BACKOFF);
    } finally {
      watched.isBusy = false;
    }
  }
}
