import { randomBytes, randomUUID } from 'node:crypto';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { BackupProcesses } from '../../daemon/backups/run/backup-processes.ts';
import { forEachConcurrent } from '../../daemon/base/concurrent.ts';
import type { FleetData } from './fleet-data.ts';

/** As it is installed: the sources would be compiled first. */
const PROGRAM = join(import.meta.dirname, '../../dist/daemon/backups/run/backup-process-main.js');

/** Backups and restores as the daemon makes them, in its processes. */
export class FathomBackups {
  readonly target: string;
  readonly #directory: string;
  readonly #parallel: number;
  readonly #masters = [{ id: 'abcd1234', key: randomBytes(32) }] as const;
  readonly #writer = { host: randomUUID(), daemon: randomUUID() };

  constructor(directory: string, parallel: number) {
    this.target = join(directory, 'target');
    this.#directory = directory;
    this.#parallel = parallel;
  }

  async init(): Promise<void> {
    await mkdir(this.#directory, { recursive: true });
    const claim = { ...this.#writer, isFirst: true, restoredFrom: null, expected: null, isAccepted: false };
    const keys = { masters: this.#masters, recovery: null };
    await this.#withProcesses((processes) =>
      processes.run({ kind: 'prepare', target: this.target, claim, keys, secrets: {}, rewrap: false }),
    );
  }

  async backUp({ databases }: FleetData): Promise<void> {
    const keys = { masters: this.#masters, recovery: null };
    const reserve = { directory: this.#directory, bytes: 0 };
    const { target } = this;
    await this.#withProcesses((processes) =>
      forEachConcurrent(databases, this.#parallel, async ({ name, dataDir }) => {
        const source = { database: name, dataDir, scratchDir: join(this.#directory, 'scratch', name) };
        const at = new Date();
        await processes.run({ kind: 'backup', target, writer: this.#writer, keys, source, at, reserve });
      }),
    );
  }

  async restore({ databases }: FleetData, directory: string): Promise<void> {
    const masters = this.#masters;
    const { target } = this;
    await this.#withProcesses((processes) =>
      forEachConcurrent(databases, this.#parallel, async ({ name }) => {
        const work = { target, database: name, masters };
        const found = await processes.run({ kind: 'find', ...work, id: 'latest', now: new Date() });
        const id = found.backup?.id ?? '';
        await mkdir(join(directory, name), { recursive: true });
        await processes.run({ kind: 'restore', ...work, id, directory: join(directory, name, 'pb_data') });
      }),
    );
  }

  /** Starts them again each time, as a daemon does whose processes have ended. */
  async #withProcesses<T>(work: (processes: BackupProcesses) => Promise<T>): Promise<T> {
    const processes = new BackupProcesses(this.#parallel, PROGRAM);
    try {
      return await work(processes);
    } finally {
      await processes.close();
    }
  }
}
