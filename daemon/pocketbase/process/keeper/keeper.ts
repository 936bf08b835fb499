import { closeSync, openSync } from 'node:fs';
import { messageOf } from '../../../../shared/errors.ts';
import type {
  Child,
  HoldRequest,
  HoldResult,
  KeeperReport,
  KeeperRequest,
  SpawnRequest,
} from './keeper-protocol.ts';
import type { Starter } from './starters.ts';

/** Handles the requests of a daemon. */
export class Keeper {
  readonly #starter: Starter;
  readonly #send: (report: KeeperReport) => void;

  constructor(starter: Starter, send: (report: KeeperReport) => void) {
    this.#starter = starter;
    this.#send = send;
  }

  children(): Child[] {
    return this.#starter.children().map(({ pid, startTime }) => ({ pid, startTime }));
  }

  /** Requests that concern the keeper itself are not handled here. */
  handle(request: Exclude<KeeperRequest, { kind: 'replace' | 'goodbye' }>): void {
    const { ports } = this.#starter;
    switch (request.kind) {
      case 'spawn':
        void this.#start(request);
        break;
      case 'ping':
        this.#send({ id: request.id, kind: 'pong' });
        break;
      case 'support':
        this.#send({ id: request.id, kind: 'support', support: this.#starter.support });
        break;
      case 'hold':
        this.#send({ id: request.id, kind: 'hold', result: this.#hold(request) });
        break;
      case 'take': {
        const isHeld = ports?.take(request.pid, request.port) ?? false;
        this.#send({ id: request.id, kind: 'hold', result: isHeld ? 'held' : 'unsupported' });
        break;
      }
      case 'release':
        ports?.release(request.port);
        break;
      case 'explain':
        ports?.explain(request.port, request.problem, request.when);
        break;
      default:
        request satisfies never;
    }
  }

  /** Closes the sockets of ports without a process. */
  releaseUnused(): void {
    const used = this.#starter.children().flatMap(({ port }) => (port === null ? [] : [port]));
    this.#starter.ports?.keepOnly(new Set(used));
  }

  async #start(request: SpawnRequest): Promise<void> {
    try {
      const { fd: log, problem: logProblem } = openLog(request.logFile);
      try {
        const started = await this.#starter.start(request, log);
        this.#send({ id: request.id, kind: 'spawned', ...started, logProblem });
      } finally {
        closeSync(log);
      }
    } catch (error) {
      const { code = null, path = null } = error as NodeJS.ErrnoException;
      this.#send({ id: request.id, kind: 'failed', code, path, message: messageOf(error) });
    }
  }

  #hold({ address, port }: HoldRequest): HoldResult {
    const { ports } = this.#starter;
    if (!ports) return 'unsupported';
    // Two databases must never share a socket.
    if (ports.isServed(port) || this.#starter.children().some((child) => child.port === port))
      return 'in_use';
    try {
      ports.hold(address, port);
      return 'held';
    } catch (error) {
      // Other errors are those of the address or of this process. The daemon checks the port itself then.
      return (error as NodeJS.ErrnoException).code === 'EADDRINUSE' ? 'in_use' : 'unsupported';
    }
  }
}

/** Best effort: a log that cannot be opened does not block the start. */
function openLog(path: string): { fd: number; problem: string | null } {
  try {
    return { fd: openSync(path, 'a', 0o600), problem: null };
  } catch (error) {
    const { code = '', message } = error as NodeJS.ErrnoException;
    if (code === 'EMFILE' || code === 'ENFILE') throw error;
    return { fd: openSync('/dev/null', 'a'), problem: message };
  }
}
