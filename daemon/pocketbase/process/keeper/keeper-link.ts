import { type ChildProcess, fork, spawn } from 'node:child_process';
import { EventEmitter } from 'node:events';
import { closeSync, openSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { messageOf } from '../../../../shared/errors.ts';
import { findByEnvironment } from '../procfs.ts';
import { sendSignal } from '../signals.ts';
import { readJsonLines } from './json-lines.ts';
import type { Child, KeeperReport, KeeperRequest } from './keeper-protocol.ts';
import { KEEPER_PROGRAM, NODE_ARGS, programIdentity } from './program-identity.ts';

/** The variable of a keeper with the id of its fleet. */
export const KEEPER_VARIABLE = 'FATHOM_KEEPER';
const RETRY_MS = 20;

interface LinkEvents {
  report: [KeeperReport];
  closed: [Error];
}

/** The connection to a keeper. Requests are sent in order, also those before the keeper has answered. */
export abstract class KeeperLink extends EventEmitter<LinkEvents> {
  /** Processes that it had started before this connection. */
  children: Child[] = [];
  abstract readonly isOpen: boolean;
  /** Null until it is known. */
  abstract readonly pid: number | null;
  abstract send(request: KeeperRequest): void;
  /** Ends the connection. A keeper that outlives it keeps its processes and their sockets. */
  abstract close(): void;
  /** Kills the keeper, so that it cannot start a process later that its successor has started too. */
  abstract kill(): void;
}

/** A keeper that ends with this process. */
export class ForkedKeeper extends KeeperLink {
  readonly #process: ChildProcess;

  constructor() {
    super();
    this.#process = fork(KEEPER_PROGRAM, [], {
      execArgv: NODE_ARGS,
      env: {},
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    });
    this.#process.on('message', (report) => this.emit('report', report as KeeperReport));
    this.#process.once('error', (error) => this.emit('closed', error));
    this.#process.once('disconnect', () => this.emit('closed', new Error('the keeper process has ended')));
    // The keeper must not keep this process from exiting.
    this.#process.unref();
    this.#process.channel?.unref();
  }

  get isOpen(): boolean {
    return this.#process.connected;
  }

  get pid(): number | null {
    return this.#process.pid ?? null;
  }

  send(request: KeeperRequest): void {
    this.#process.send(request);
  }

  close(): void {
    if (this.#process.connected) this.#process.disconnect();
  }

  kill(): void {
    this.#process.kill('SIGKILL');
  }
}

export interface KeeperPlace {
  socketPath: string;
  /** For errors of the keeper, which outlives the standard error of the daemon. */
  logFile: string;
  fleetId: string;
}

/** A keeper that outlives this process. Connects to the one of an earlier daemon, or starts one. */
export class LastingKeeper extends KeeperLink {
  readonly #place: KeeperPlace;
  readonly #identity: string;
  #socket: Socket | null = null;
  #pid: number | null = null;
  #isOpen = true;
  /** Requests until the keeper has answered; null from then on. */
  #waiting: KeeperRequest[] | null = [];
  #hasStarted = false;

  /** @param identity of the program that the keeper must run */
  constructor(place: KeeperPlace, identity = programIdentity()) {
    super();
    this.#place = place;
    this.#identity = identity;
    this.#connect();
  }

  get isOpen(): boolean {
    return this.#isOpen;
  }

  get pid(): number | null {
    return this.#pid;
  }

  send(request: KeeperRequest): void {
    if (this.#waiting) this.#waiting.push(request);
    else this.#write(request);
  }

  close(): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    if (this.#waiting === null) this.#write({ id: 0, kind: 'goodbye' });
    this.#socket?.end();
    this.#socket?.unref();
  }

  kill(): void {
    this.#isOpen = false;
    this.#socket?.destroy();
    if (this.#pid !== null) sendSignal(this.#pid, 'SIGKILL');
    else void killKeepers(this.#place.fleetId);
  }

  #write(request: KeeperRequest): void {
    this.#socket?.write(`${JSON.stringify(request)}\n`);
  }

  #connect(): void {
    if (!this.#isOpen) return;
    const socket = connect(this.#place.socketPath);
    this.#socket = socket;
    let problem: NodeJS.ErrnoException | null = null;
    // The keeper must not keep this process from exiting. Requests that it has to wait for have timers of their own.
    socket.unref();
    socket.once('error', (error) => {
      problem = error;
    });
    socket.once('close', () => this.#onClose(problem));
    readJsonLines(socket, (report) => this.#receive(report as KeeperReport));
  }

  #onClose(problem: NodeJS.ErrnoException | null): void {
    if (!this.#isOpen) return;
    if (this.#waiting === null) {
      this.#isOpen = false;
      this.emit('closed', new Error('the keeper process has ended'));
      return;
    }
    // No keeper answers yet. The first failure starts one; later ones wait for it.
    if (problem !== null && !this.#hasStarted) {
      this.#hasStarted = true;
      void this.#start();
    } else setTimeout(() => this.#connect(), RETRY_MS);
  }

  /** Starts a keeper, after those that cannot be reached have ended. */
  async #start(): Promise<void> {
    const { socketPath, logFile, fleetId } = this.#place;
    try {
      await killKeepers(fleetId);
      const log = openLog(logFile);
      const started = spawn(process.execPath, [...NODE_ARGS, KEEPER_PROGRAM, socketPath, this.#identity], {
        detached: true,
        env: { [KEEPER_VARIABLE]: fleetId },
        stdio: ['ignore', 'ignore', log ?? 'ignore'],
      });
      if (log !== null) closeSync(log);
      started.once('error', (error) => this.#fail(error));
      started.unref();
    } catch (error) {
      this.#fail(error);
      return;
    }
    setTimeout(() => this.#connect(), RETRY_MS);
  }

  #fail(error: unknown): void {
    this.#isOpen = false;
    this.emit('closed', error instanceof Error ? error : new Error(messageOf(error)));
  }

  #receive(report: KeeperReport): void {
    if (report.kind !== 'hello') {
      this.emit('report', report);
      return;
    }
    this.#pid = report.pid;
    this.#hasStarted = true;
    if (report.identity !== this.#identity) {
      const args = [...NODE_ARGS, KEEPER_PROGRAM];
      this.#write({ id: 0, kind: 'replace', node: process.execPath, args, identity: this.#identity });
      return;
    }
    this.children = report.children;
    const waiting = this.#waiting ?? [];
    this.#waiting = null;
    for (const request of waiting) this.#write(request);
  }
}

/** Best effort: a keeper without a log works as well. */
function openLog(path: string): number | null {
  try {
    return openSync(path, 'a', 0o600);
  } catch {
    return null;
  }
}

/** Kills keepers of a fleet that cannot be reached. Instances that they started keep running. */
async function killKeepers(fleetId: string): Promise<void> {
  for (const { pid } of await findByEnvironment(KEEPER_VARIABLE, fleetId)) sendSignal(pid, 'SIGKILL');
}
