import { readFileSync, writeFileSync } from 'node:fs';
import { rmdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import {
  type CgroupValue,
  type MemoryEvents,
  memoryValues,
  parseMemoryEvents,
  wasEndedByLimit,
} from './limits.ts';

/** Attempts to remove a cgroup whose last processes are ending. A thousand of them take seconds. */
const REMOVE_ATTEMPTS = 400;
const REMOVE_RETRY_MS = 50;

/** The cgroup of one process of an instance and the processes that it starts. */
export class InstanceCgroup {
  readonly directory: string;
  readonly #eventsBefore: MemoryEvents;
  #lastChange: Promise<void> = Promise.resolve();

  constructor(directory: string) {
    this.directory = directory;
    this.#eventsBefore = this.#memoryEvents();
  }

  /** Moves a process into this cgroup. @throws the error of the kernel */
  async add(pid: number): Promise<void> {
    await writeFile(join(this.directory, 'cgroup.procs'), String(pid));
  }

  /**
   * Changes the limits of its memory, in the order of the calls. A write can take long, because the kernel frees memory first.
   *
   * @param limitBytes null without a limit
   * @throws the error of the kernel
   */
  async limitMemory(limitBytes: number | null): Promise<void> {
    const change = this.#lastChange.then(() => changeValues(this.directory, memoryValues(limitBytes)));
    this.#lastChange = change.catch(() => {});
    await change;
  }

  /** Whether the kernel ended a process because of the memory limit, since this object exists. */
  ranOutOfMemory(): boolean {
    return wasEndedByLimit(this.#eventsBefore, this.#memoryEvents());
  }

  /** Ends the processes that are left, and removes the cgroup. Best effort: the next daemon tries it again. */
  async remove(): Promise<void> {
    for (let attempt = 0; attempt < REMOVE_ATTEMPTS; attempt += 1) {
      try {
        await rmdir(this.directory);
        return;
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'EBUSY') return;
        // Before Linux 5.14 there is no such file.
        if (attempt === 0) await writeFile(join(this.directory, 'cgroup.kill'), '1').catch(() => {});
        await setTimeout(REMOVE_RETRY_MS, undefined, { ref: false });
      }
    }
  }

  #memoryEvents(): MemoryEvents {
    try {
      return parseMemoryEvents(readFileSync(join(this.directory, 'memory.events'), 'utf8'));
    } catch {
      // Without the controller `memory`, or after the cgroup was removed.
      return parseMemoryEvents('');
    }
  }
}

async function changeValues(directory: string, values: readonly CgroupValue[]): Promise<void> {
  for (const { file, value, isOptional } of values) {
    try {
      await writeFile(join(directory, file), value, { flag: 'r+' });
    } catch (error) {
      if (!isMissing(error, isOptional)) throw error;
    }
  }
}

/** For a cgroup without processes. @throws the error of the kernel */
export function writeValues(directory: string, values: readonly CgroupValue[]): void {
  for (const { file, value, isOptional } of values) {
    try {
      writeFileSync(join(directory, file), value, { flag: 'r+' });
    } catch (error) {
      if (!isMissing(error, isOptional)) throw error;
    }
  }
}

function isMissing(error: unknown, isOptional: true | undefined): boolean {
  return isOptional === true && (error as NodeJS.ErrnoException).code === 'ENOENT';
}
