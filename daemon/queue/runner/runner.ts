import { type ChildProcess, fork } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import type { Socket } from 'node:net';
import { modulePath } from '../../base/package.ts';
import { eachLine } from './lines.ts';
import {
  type FromRunner,
  type HandlerError,
  handlerError,
  type LeaseNews,
  type LogLevel,
  type RunRequest,
  TASK_PIPE,
  type ToRunner,
} from './messages.ts';

const PROGRAM = modulePath('daemon/queue/runner/runner-main');
const LOOK_AT_MEMORY_EVERY_MS = 500;
const PAGE_BYTES = 4096;
/** What a Node process takes before any handler does, and what lies outside the heap of the thread. */
const OVERHEAD_MB = 256;

/** Of the environment, what programs need to run at all; nothing of Fathom's own, which is full of secrets. */
const PASSED_ON = ['PATH', 'HOME', 'LANG', 'LC_ALL', 'TZ', 'TMPDIR', 'NODE_EXTRA_CA_CERTS'];

export interface RunHost {
  onProgress(percent: number, message: string | null): void;
  onLog(level: LogLevel, text: string): void;
  token(): Promise<unknown>;
  provision(): Promise<unknown>;
}

export type RunnerEnd = Extract<FromRunner, { kind: 'done' | 'failed' }>;

/** One process that runs handlers, one task at a time; it lives on between tasks that end well. */
export class Runner {
  readonly #child: ChildProcess;
  readonly #pipe: Socket;
  readonly #memoryMb: number;
  readonly #ended = Promise.withResolvers<void>();
  #run: { host: RunHost; end: (end: RunnerEnd) => void } | null = null;
  #killedFor: HandlerError | null = null;
  #alive = true;
  #spent = false;
  /** Settles once it can take a task; rejects when it ended before. */
  readonly ready: Promise<void>;

  constructor({ memoryMb }: { memoryMb: number }) {
    this.#memoryMb = memoryMb;
    this.#child = fork(PROGRAM, [String(memoryMb)], {
      execArgv: ['--disable-warning=ExperimentalWarning'],
      env: Object.fromEntries(
        PASSED_ON.flatMap((name) => (process.env[name] ? [[name, process.env[name]]] : [])),
      ),
      stdio: ['ignore', 'ignore', 'inherit', 'ipc', 'pipe'],
      serialization: 'json',
    });
    const ready = Promise.withResolvers<void>();
    this.ready = ready.promise;
    // Whoever takes it is told; one that is only kept warm has nobody waiting for this.
    this.ready.catch(() => {});
    const receive = (message: FromRunner) => {
      if (message.kind === 'ready') ready.resolve();
      else this.#receive(message);
    };
    this.#child.on('message', (message: FromRunner) => {
      // From the main thread: the thread that ran the handler is gone, and the process about to end.
      if (message.kind === 'failed') this.#spent = true;
      receive(message);
    });
    this.#pipe = this.#child.stdio[TASK_PIPE] as Socket;
    this.#pipe.setEncoding('utf8');
    this.#pipe.on(
      'data',
      eachLine((line) => receive(JSON.parse(line) as FromRunner)),
    );
    // Its end says the same.
    this.#pipe.on('error', () => {});
    const gone = (why: string) => {
      if (!this.#alive) return;
      this.#alive = false;
      ready.reject(new Error(why));
      this.#finish({ kind: 'failed', error: this.#killedFor ?? handlerError(why, { code: 'runner_gone' }) });
      this.#ended.resolve();
    };
    this.#child.once('error', (error) => gone(`the process of the handler failed: ${error.message}`));
    this.#child.once('exit', (code, signal) =>
      gone(`the process of the handler ended (${signal ?? `exit code ${code}`})`),
    );
  }

  /** False once it has ended or is about to. */
  get usable(): boolean {
    return this.#alive && !this.#spent && this.#killedFor === null && this.#child.connected;
  }

  async run(request: RunRequest, host: RunHost): Promise<RunnerEnd> {
    const ended = Promise.withResolvers<RunnerEnd>();
    this.#run = { host, end: ended.resolve };
    if (!this.usable) {
      this.#finish({
        kind: 'failed',
        error: handlerError('the process of the handler is gone', { code: 'runner_gone' }),
      });
    }
    this.#send(request);
    const memory = setInterval(() => void this.#watchMemory(), LOOK_AT_MEMORY_EVERY_MS);
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
    const news: LeaseNews = { kind: 'lease', leaseMs };
    if (this.#child.connected) this.#child.send(news, () => {});
  }

  /** At once; whatever runs ends with `error`. */
  kill(error: HandlerError): void {
    this.#killedFor ??= error;
    this.#child.kill('SIGKILL');
  }

  /** Ends it and waits until it has. */
  async close(): Promise<void> {
    if (!this.#alive) return;
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

  /** Memory outside the thread's heap has no limit of its own. */
  async #watchMemory(): Promise<void> {
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
      // It has just ended.
    }
  }
}
