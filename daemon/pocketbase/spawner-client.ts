import { type ChildProcess, fork } from 'node:child_process';
import { extname, join } from 'node:path';
import type { ProcessExit } from './process-driver.ts';
import type { SpawnerReport, SpawnRequest } from './spawner-protocol.ts';

/** Beside this file: built when this is, a source when this is one. */
const PROGRAM = join(import.meta.dirname, `spawner${extname(import.meta.filename)}`);

export interface Spawned {
  pid: number;
  /** Settles with the exit, or with null when the spawner was gone before and nobody can tell. */
  exited: Promise<ProcessExit | null>;
}

interface Pending {
  spawned: PromiseWithResolvers<number>;
  exited: PromiseWithResolvers<ProcessExit | null>;
}

/** Starts processes through the spawner; starts the spawner when there is none. */
export class SpawnerClient {
  #spawner: ChildProcess | null = null;
  #lastId = 0;
  readonly #pending = new Map<number, Pending>();

  /** @throws the error of spawn(2) or open(2) */
  async spawn(request: Omit<SpawnRequest, 'id'>): Promise<Spawned> {
    this.#lastId += 1;
    const id = this.#lastId;
    const pending: Pending = {
      spawned: Promise.withResolvers<number>(),
      exited: Promise.withResolvers<ProcessExit | null>(),
    };
    this.#pending.set(id, pending);
    this.#running().send({ ...request, id } satisfies SpawnRequest);
    return { pid: await pending.spawned.promise, exited: pending.exited.promise };
  }

  close(): void {
    if (this.#spawner?.connected) this.#spawner.disconnect();
    this.#spawner = null;
  }

  #running(): ChildProcess {
    if (this.#spawner?.connected) return this.#spawner;
    const spawner = fork(PROGRAM, [], {
      execArgv: ['--max-semi-space-size=1', '--disable-warning=ExperimentalWarning'],
      env: {},
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    });
    spawner.on('message', (report) => this.#receive(report as SpawnerReport));
    spawner.once('error', (error) => this.#lost(spawner, error));
    spawner.once('disconnect', () => this.#lost(spawner, new Error('the spawner is gone')));
    // It must not keep a daemon alive that has nothing else to do.
    spawner.unref();
    spawner.channel?.unref();
    this.#spawner = spawner;
    return spawner;
  }

  #receive(report: SpawnerReport): void {
    const pending = this.#pending.get(report.id);
    if (!pending) return;
    if (report.kind === 'spawned') {
      pending.spawned.resolve(report.pid);
      return;
    }
    this.#pending.delete(report.id);
    if (report.kind === 'exited') {
      pending.exited.resolve({ code: report.code, signal: report.signal });
    } else {
      pending.spawned.reject(Object.assign(new Error(report.message), { code: report.code }));
    }
  }

  /** Starts that were under way fail and are tried again; what runs has to be watched in another way. */
  #lost(spawner: ChildProcess, error: Error): void {
    if (this.#spawner === spawner) this.#spawner = null;
    for (const { spawned, exited } of this.#pending.values()) {
      spawned.reject(error);
      exited.resolve(null);
    }
    this.#pending.clear();
  }
}
