import { stat, statfs } from 'node:fs/promises';
import { join } from 'node:path';
import { byteSize } from '../../../shared/byte-size.ts';
import { messageOf } from '../../../shared/errors.ts';
import type { Logger } from '../../base/log/log.ts';
import type { Clock } from '../../base/time/clock.ts';
import { type Loop, startLoop } from '../../base/time/repeat.ts';
import { createReserveFile, releaseReserveFile, reserveFileBytes } from './reserve-file.ts';
import { nextReserveStep, reserveBytesOf, spareBytesOf } from './reserve-rule.ts';

const RETRY_MS = 10_000;

export interface DiskReserveDeps {
  dataDir: string;
  userDatabasesDir: string;
  /** DISK_RESERVE_MB; 0 without a reserve. */
  settingBytes: number;
  clock: Clock;
  log: Logger;
}

export interface ReserveState {
  /** Space that is reserved; 0 after it was released. */
  bytes: number;
  /** User databases that write are held, and no database is created. */
  isHeld: boolean;
  /** What other work leaves free on the disk, see `spareBytesOf`. */
  spareBytes: number;
}

/**
 * Keeps space for the control plane on the disk of the data directory. When it becomes scarce, user databases that write are
 * held. When the disk is full, the file with the reserved space is removed.
 */
export class DiskReserve {
  readonly #deps: DiskReserveDeps;
  readonly #path: string;
  readonly #onChange: (() => void)[] = [];
  #state: ReserveState = { bytes: 0, isHeld: false, spareBytes: 0 };
  #problem = '';
  #loop: Loop | null = null;

  constructor(deps: DiskReserveDeps) {
    this.#deps = deps;
    this.#path = join(deps.dataDir, 'disk-reserve');
  }

  get state(): ReserveState {
    return this.#state;
  }

  /** Calls `listener` after each begin and end of the hold. */
  onChange(listener: () => void): void {
    this.#onChange.push(listener);
  }

  /** Releases the reserve if the disk is full. For the start, which needs space before anything else runs. */
  async prepare(): Promise<void> {
    await this.#attempt({ mayCreate: false });
  }

  start(): void {
    this.#loop ??= startLoop(this.#deps.clock, () => this.#attempt({ mayCreate: true }));
  }

  async stop(): Promise<void> {
    await this.#loop?.stop();
  }

  /** Returns the milliseconds until the next check. */
  async #attempt(options: { mayCreate: boolean }): Promise<number> {
    try {
      const waitMs = await this.#check(options);
      this.#problem = '';
      return waitMs;
    } catch (error) {
      const problem = messageOf(error);
      if (problem !== this.#problem) this.#deps.log.warn(`cannot keep the disk reserve: ${problem}`);
      this.#problem = problem;
      return RETRY_MS;
    }
  }

  async #check({ mayCreate }: { mayCreate: boolean }): Promise<number> {
    const { dataDir, settingBytes } = this.#deps;
    const [{ bavail, blocks, bsize, ffree: freeFiles, files: maxFiles }, fileBytes] = await Promise.all([
      statfs(dataDir),
      reserveFileBytes(this.#path),
    ]);
    const freeBytes = bavail * bsize;
    const reserveBytes = reserveBytesOf(settingBytes, blocks * bsize);
    const step = nextReserveStep(
      { freeBytes, fileBytes, reserveBytes, freeFiles, maxFiles },
      this.#state.isHeld,
    );
    let bytes = fileBytes;
    if (step.file === 'release') {
      await releaseReserveFile(this.#path);
      bytes = 0;
      if (reserveBytes === fileBytes)
        this.#deps.log.error(
          `the disk of ${dataDir} is full; released the reserve of ${byteSize(fileBytes)}`,
        );
    }
    // Before the file is created, which may fail.
    const spareBytes = spareBytesOf({ reserveBytes, fileBytes: bytes });
    await this.#change(
      { bytes, isHeld: step.isHeld, spareBytes },
      `${byteSize(freeBytes)} and ${freeFiles} inodes`,
    );
    if (step.file === 'create' && mayCreate) {
      await createReserveFile(this.#path, reserveBytes);
      const fileNow = spareBytesOf({ reserveBytes, fileBytes: reserveBytes });
      this.#state = { ...this.#state, bytes: reserveBytes, spareBytes: fileNow };
    }
    return step.waitMs;
  }

  async #change(state: ReserveState, free: string): Promise<void> {
    const { dataDir, log } = this.#deps;
    const before = this.#state;
    this.#state = state;
    if (before.isHeld === state.isHeld) return;
    if (state.isHeld) log.error(`only ${free} free on the disk of ${dataDir}; databases are held`);
    else log.info(`the disk of ${dataDir} has space again; databases are no longer held`);
    for (const listener of this.#onChange) listener();
  }

  /** Whether user databases are on the same disk. Those on another one cannot take the space of the control plane. */
  async sharesDisk(): Promise<boolean> {
    const { dataDir, userDatabasesDir } = this.#deps;
    const [own, theirs] = await Promise.all([stat(dataDir), stat(userDatabasesDir)]);
    return own.dev === theirs.dev;
  }
}
