import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { execa } from 'execa';
import type { FleetData } from './fleet-data.ts';

const COPY_DATABASES = join(import.meta.dirname, 'copy-databases.mjs');

interface Machine {
  /** Processes or threads that work at the same time. */
  parallel: number;
  niceness: number;
}

/** Whether the program is there. */
export async function findRestic(): Promise<string | null> {
  const { failed, stdout } = await execa('restic', ['version'], { reject: false });
  return failed ? null : (/^restic (\S+)/.exec(stdout)?.[1] ?? null);
}

/** The peer: a repository in a directory, and copies of the databases in another one. */
export class Restic {
  readonly target: string;
  readonly #copies: string;
  readonly #machine: Machine;
  readonly #env: Record<string, string>;

  constructor(directory: string, machine: Machine) {
    this.target = join(directory, 'repository');
    this.#copies = join(directory, 'copies');
    this.#machine = machine;
    this.#env = {
      RESTIC_REPOSITORY: this.target,
      RESTIC_PASSWORD: 'a-good-password',
      RESTIC_CACHE_DIR: join(directory, 'cache'),
      GOMAXPROCS: String(machine.parallel),
    };
  }

  async init(): Promise<void> {
    await this.#run('init', '--repository-version', '2');
  }

  /** Copies all databases, as a copy of the files alone is damaged, and stores the copies and the uploaded files. */
  async backUp({ databases }: FleetData): Promise<void> {
    const pairs: string[] = [];
    for (const { name, dataDir } of databases) {
      await mkdir(join(this.#copies, name), { recursive: true });
      pairs.push(join(dataDir, 'data.db'), join(this.#copies, name, 'data.db'));
    }
    const { parallel } = this.#machine;
    await this.#nice([process.execPath, COPY_DATABASES, String(parallel), ...pairs]);
    const uploads = databases.map(({ dataDir }) => join(dataDir, 'storage'));
    await this.#run('backup', this.#copies, ...uploads);
  }

  async restore(_data: FleetData, directory: string): Promise<void> {
    await this.#run('restore', 'latest', '--target', directory);
  }

  #run(...args: string[]): Promise<void> {
    return this.#nice(['restic', '--quiet', ...args]);
  }

  async #nice(command: string[]): Promise<void> {
    const args = ['-n', String(this.#machine.niceness), ...command];
    await execa('nice', args, { env: this.#env, stdin: 'ignore' });
  }
}
