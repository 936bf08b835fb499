import { type ChildProcess, fork } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import type { Socket } from 'node:net';
import { modulePath } from '../../base/package.ts';

import {
  eachLine,
  type FromRunner,
  type HandlerConfinement,
  type HandlerError,
  handlerError,
  type LeaseMessage,
  type LogLevel,
  type RunRequest,
  TASK_PIPE,
  type ToRunner,
} from './messages.ts';

const PROGRAM = modulePath('daemon/queue/runner/runner-main');
const CONFINED_PROGRAM = modulePath('daemon/queue/runner/confined-main');
const MEMORY_CHECK_MS = 500;
const PAGE_BYTES = 4096;
/** Memory of a Node process without a handler, and memory outside the heap of the thread. */
const OVERHEAD_MB = 256;

/** Environment variables that a handler gets. Fathom's own variables contain secrets. */
const PASSED_VARIABLES = ['PATH', 'HOME', 'LANG', 'LC_ALL', 'TZ', 'TMPDIR', 'NODE_EXTRA_CA_CERTS'];

/** What a handler can use of its worker. */
export interface RunHost {
  onProgress(percent: number, message: string | null): void;
  onLog(level: LogLevel, text: string): void;
  token(): Promise<unknown>;
  provision(): Promise<unknown>;
}

export type RunnerEnd = Extract<FromRunner, { kind: 'done' | 'failed' }>;

export interface RunnerOptions {
  memoryMb: number;
  /** Null runs handlers with all rights of this process. */
  confinement: HandlerConfinement | null;
}

/** One process that runs handlers, one task at a time. It is reused while tasks end normally. */
export class Runner {
  readonly #child: ChildProcess;
  readonly #pipe: Socket;
  readonly #memoryMb: number;
  readonly #ended = Promise.withResolvers<void>();
  #run: { host: RunHost; end: (end: RunnerEnd) => void } | null = null;
  #killedFor: HandlerError | null = null;
  #isAlive = true;
  /** The thread has ended, and the process is about to end. */
  #isThreadGone = false;
  /** Resolves when the process can take a task; rejects when it ends before. */
  readonly ready: Promise<void>;

  constructor({ memoryMb, confinement }: RunnerOptions) {
    this.#memoryMb = memoryMb;
    const [program, args] =
      confinement === null ? [PROGRAM, []] : [CONFINED_PROGRAM, [JSON.stringify(confinement)]];
    this.#child = fork(program, [...args, String(memoryMb)], {
      execArgv: ['--disable-warning=ExperimentalWarning'],
      env: Object.fromEntries(
        PASSED_VARIABLES.flatMap((name) => (process.env[name] ? [[name, process.env[name]]] : [])),
      ),
      stdio: ['ignore', 'ignore', 'inherit', 'ipc', 'pipe'],
      serialization: 'json',
    });
    const ready = Promise.withResolvers<void>();
    this.ready = ready.promise;
    // A runner that is not taken from the pool has no one to handle the rejection.
    this.ready.catch(() => {});
    const receive = (message: FromRunner) => {
      if (message.kind === 'ready') ready.resolve();
      else this.#receive(message);
    };
    this.#child.on('message', (message: FromRunner) => {
      if (message.kind === 'failed') this.#isThreadGone = true;
      receive(message);
    });
    this.#pipe = this.#child.stdio[TASK_PIPE] as Socket;
    this.#pipe.setEncoding('utf8');
    this.#pipe.on(
      'data',
      eachLine((line) => receive(JSON.parse(line) as FromRunner)),
    );
    // The end of the process follows.
    this.#pipe.on('error', () => {});
    const handleEnd = (reason: string) => {
      if (!this.#isAlive) return;
      this.#isAlive = false;
      ready.reject(new Error(reason));
      this.#finish({
        kind: 'failed',
        error: this.#killedFor ?? handlerError(reason, { code: 'runner_gone' }),
      });
      this.#ended.resolve();
    };
    this.#child.once('error', (error) => handleEnd(`the process of the handler failed: ${error.message}`));
    this.#child.once('exit', (code, signal) =>
      handleEnd(`the process of the handler ended (${signal ?? `exit code ${code}`})`),
    );
  }

  /** False when the process has ended or is about to. */
  get isUsable(): boolean {
    return this.#isAlive && !this.#isThreadGone && this.#killedFor === null && this.#child.connected;
  }

  async run(request: RunRequest, host: RunHost): Promise<RunnerEnd> {
    const ended = Promise.withResolvers<RunnerEnd>();
    this.#run = { host, end: ended.resolve };
    if (!this.isUsable) {
      this.#finish({
        kind: 'failed',
        error: handlerError('the process of the handler is gone', { code: 'runner_gone' }),
      });
    }
    this.#send(request);
    const memory = setInterval(() => void this.#checkMemory(), MEMORY_CHECK_MS);
    try {
      return await ended.promise;
    } finally {
      clearInterval(memory);
    }
  }

  abort(reason: string): void {
    this.#send({ kind: 'abort', reason });
  }

  renewLease(leaseMs: number): void {
    const message: LeaseMessage = { kind: 'lease', leaseMs };
    if (this.#child.connected) this.#child.send(message, () => {});
  }

  /** Kills the process immediately; a running task ends with `error`. */
  kill(error: HandlerError): void {
    this.#killedFor ??= error;
    this.#child.kill('SIGKILL');
  }

  /** Ends the process and waits for its end. */
  async close(): Promise<void> {
    if (!this.#isAlive) return;
    this.kill(handlerError('the worker stops', { code: 'worker_stopped' }));
    await this.#ended.promise;
  }

  #send(message: ToRunner): void {
    if (this.#pipe.writable) this.#pipe.write(`${JSON.stringify(message)}\n`);
  }

  #receive(message: Exclude<FromRunner, { kind: 'ready' }>): void {
    switch (message.kind) {
      case 'done':
      case 'failed':
        this.#finish(message);
        return;
      case 'progress':
        this.#run?.host.onProgress(message.percent, message.message);
        return;
      case 'log':
        this.#run?.host.onLog(message.level, message.text);
        return;
      case 'host':
        void this.#answer(message);
    }
  }

  async #answer({ call, method }: Extract<FromRunner, { kind: 'host' }>): Promise<void> {
    try {
      this.#send({ kind: 'answer', call, value: await this.#run?.host[method]() });
    } catch (error) {
      this.#send({ kind: 'refused', call, message: (error as Error).message });
    }
  }

  #finish(end: RunnerEnd): void {
    this.#run?.end(end);
    this.#run = null;
  }

  /** Kills a process that uses too much memory. Node limits only the heap of the thread. */
  async #checkMemory(): Promise<void> {
    try {
      const statm = await readFile(`/proc/${this.#child.pid}/statm`, 'utf8');
      const residentMb = (Number(statm.split(' ')[1]) * PAGE_BYTES) / (1024 * 1024);
      const limitMb = this.#memoryMb + OVERHEAD_MB;
      if (residentMb > limitMb) {
        this.kill(
          handlerError(`the handler's process used more than ${limitMb} MB`, { code: 'memory_limit' }),
        );
      }
    } catch {
      // The process has just ended.
    }
  }
}
