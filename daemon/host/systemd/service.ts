import type { Clock } from '../../base/time/clock.ts';
import { repeat } from '../../base/time/repeat.ts';
import { Notifier } from './notifier.ts';
import { pendingJob } from './pending-job.ts';

export const UNIT = 'fathomd.service';
/** Pings in the time after which systemd takes the daemon for hung. */
const PINGS_PER_TIMEOUT = 3;
/** How often the status line is renewed where systemd keeps no watch. */
const STATUS_EVERY_MS = 10_000;

/** What becomes of the instances when the daemon ends: `leave` is for a next daemon that takes them over at once. */
export type FleetEnd = 'stop' | 'leave';

export interface ServiceOptions {
  env: Readonly<Record<string, string | undefined>>;
  pid: number;
  clock: Clock;
  onProblem: (problem: string) => void;
}

/** The daemon as a unit of systemd. Times are kept from the event loop, so that a loop that is stuck is noticed. */
export class Service {
  readonly #notifier: Notifier;
  readonly #env: Record<string, string>;
  readonly #stopPinging: () => Promise<void>;
  #status: () => string = () => 'starting';

  /** Null when systemd did not start this process as a service that reports to it. */
  static of({ env, ...options }: ServiceOptions): Service | null {
    const socket = env['NOTIFY_SOCKET'];
    return socket ? new Service(socket, { env, ...options }) : null;
  }

  private constructor(socket: string, { env, pid, clock, onProblem }: ServiceOptions) {
    this.#notifier = new Notifier(socket, onProblem);
    this.#env = { PATH: env['PATH'] ?? '/usr/bin:/bin' };
    const watched = env['WATCHDOG_PID'] === undefined || env['WATCHDOG_PID'] === String(pid);
    const timeoutMs = watched ? Number(env['WATCHDOG_USEC'] ?? 0) / 1000 : 0;
    const ping = timeoutMs > 0 ? ['WATCHDOG=1'] : [];
    const everyMs = timeoutMs > 0 ? timeoutMs / PINGS_PER_TIMEOUT : STATUS_EVERY_MS;
    this.#stopPinging = repeat(clock, everyMs, async () => {
      this.#notifier.tell(...ping, `STATUS=${this.#status()}`);
    });
  }

  /** @param status one line, asked for again and again from now on */
  ready(status: () => string): void {
    this.#status = status;
    this.reloaded();
  }

  reloading(): void {
    this.#notifier.tell('RELOADING=1');
  }

  /** Whether it did or not, the service runs on. */
  reloaded(): void {
    this.#notifier.tell('READY=1', `STATUS=${this.#status()}`);
  }

  stopping(fleet: FleetEnd): void {
    this.#status = () => (fleet === 'leave' ? 'stopping; the instances go on' : 'stopping the fleet');
    this.#notifier.tell('STOPPING=1', `STATUS=${this.#status()}`);
  }

  /** A restart leaves the fleet to the next daemon. When in doubt it is stopped, so that nothing runs unattended. */
  async fleetEnd(): Promise<FleetEnd> {
    return (await pendingJob(UNIT, this.#env)) === 'restart' ? 'leave' : 'stop';
  }

  async close(): Promise<void> {
    await this.#stopPinging();
    this.#notifier.close();
  }
}
