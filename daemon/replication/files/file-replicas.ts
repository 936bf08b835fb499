import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { backoffMs } from '../../../shared/backoff.ts';
import { messageOf } from '../../../shared/errors.ts';
import type { InstancePhase } from '../../../shared/instance.ts';
import { BackupProcesses } from '../../backups/run/backup-processes.ts';
import { changeStamp } from '../../backups/service/change-stamp.ts';
import { STORAGE } from '../../backups/write-backup.ts';
import { KeyedMutex } from '../../base/keyed-mutex.ts';
import type { Logger } from '../../base/log/log.ts';
import type { Clock } from '../../base/time/clock.ts';
import { type Loop, startLoop } from '../../base/time/repeat.ts';
import type { ReplicaConfig } from '../../config/replica.ts';
import { dataDirOf } from '../../supervisor/instance-spec.ts';
import { replicaPrefix } from '../litestream-config.ts';
import type { ReplicaPaths } from '../replica-paths.ts';
import { requirePresent } from '../replica-target.ts';

const LOOK_EVERY_MS = 1_000;
const MIN_WAIT_MS = 2_000;
/** It looks again after this many times the time that it took: at most a twentieth of a core. */
const SHARE = 20;
const BACKOFF = { baseMs: 2_000, capMs: 300_000 };
/** Then files are removed from the target that were deleted here, and stored so long ago. A former owner cannot have others. */
const COMPARE_EVERY_MS = 86_400_000;
/** A target that is away must not delay the stop of the daemon. */
const STOP_MS = 5_000;
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
    await Promise.race([stored, clock.sleep(STOP_MS)]);
    await this.#processes.close();
    await stored;
  }

  /** Whether all files are stored, after `stop`. */
  get isComplete(): boolean {
    return this.#problems.size === 0;
  }

  /** Stores all files of a database that does not run. @throws BackupFailed */
  async storeAll(name: string, directory: string): Promise<void> {
    const place = await this.#requirePlace(name);
    return this.#perDatabase.run(name, async () => {
      const work = { ...place, directory: dataDirOf(directory), since: null } as const;
      const removeBefore = this.#deps.clock.now().getTime();
      await this.#processes.run({ kind: 'store-files', ...work, removeBefore }, { isUrgent: true });
      this.#problems.delete(name);
    });
  }

  /**
   * Writes the files of a database that another node stored.
   *
   * @param wanted.known a `pb_data` that may have some of them
   * @throws BackupFailed
   */
  async fetch(name: string, { dataDir, known }: { dataDir: string; known: string | null }): Promise<void> {
    const place = this.#placeOf(name);
    if (place === null) return;
    await this.#processes.run(
      { kind: 'fetch-files', ...place, directory: dataDir, known },
      { isUrgent: true },
    );
  }

  /** Removes the files of a database that was erased. @throws BackupFailed */
  async erase(name: string): Promise<void> {
    const place = this.#placeOf(name);
    if (place === null) return;
    this.#forget(name);
    await this.#processes.run({ kind: 'erase-replica', ...place });
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
      if (!USED.has(phase())) continue;
      used.add(name);
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
    const nothing = { stamp: null, since: null, dueAt: 0, comparedAt: 0, failures: 0, isBusy: false };
    this.#watched.set(name, { directory, ...nothing });
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
        const place = await this.#requirePlace(name);
        const at = clock.now().getTime();
        const found = changeStamp(dataDirOf(watched.directory), clock.now());
        const stamp = found === null || found.isRecent ? null : found.stamp;
        const isCompared = watched.since !== null && begun - watched.comparedAt < COMPARE_EVERY_MS;
        // After a jump of the clock, files may look older than they are.
        const since = isCompared && watched.since !== null && watched.since <= at ? watched.since : null;
        await this.#processes.run({
          kind: 'store-files',
          ...place,
          directory: dataDirOf(watched.directory),
          since,
          removeBefore: at - COMPARE_EVERY_MS,
        });
        if (since === null) watched.comparedAt = begun;
        Object.assign(watched, { stamp, since: at - OVERLAP_MS, failures: 0 });
      });
      this.#problems.delete(name);
      watched.dueAt = clock.monotonic() + Math.max(MIN_WAIT_MS, SHARE * (clock.monotonic() - begun));
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
