import type { Clock } from '../../base/time/clock.ts';
import { repeat } from '../../base/time/repeat.ts';
import { Notifier } from './notifier.ts';
import { readPendingJob } from './pending-job.ts';

export const UNIT = 'fathomd.service';
/** Pings within WatchdogSec, after which systemd kills a daemon that does not respond. */
const PINGS_PER_TIMEOUT = 3;
/** How often the status line is sent when the unit has no watchdog. */
const STATUS_EVERY_MS = 10_000;

/** What the daemon does with instances when it ends: `leave` keeps them running for the next daemon. */
export type FleetEnd = 'stop' | 'leave';

export interface ServiceOptions {
  env: Readonly<Record<string, string | undefined>>;
  pid: number;
  clock: Clock;
  onProblem: (problem: string) => void;
}

/** The daemon as a unit of systemd. Pings come from the event loop, so systemd detects a blocked event loop. */
export class Service {
  readonly #notifier: Notifier;
  readonly #env: Record<string, string>;
  readonly #stopPinging: () => Promise<void>;
  #status: () => string = () => 'starting';

  /** Null when systemd did not start this process as a service of Type=notify. */
  static detect({ env, ...options }: ServiceOptions): Service | null {
    const socket = env['NOTIFY_SOCKET'];
    return socket ? new Service(socket, { env, ...options }) : null;
  }

  private constructor(socket: string, { env, pid, clock, onProblem }: ServiceOptions) {
    this.#notifier = new Notifier(socket, onProblem);
    this.#env = { PATH: env['PATH'] ?? '/usr/bin:/bin' };
    const hasWatchdog = env['WATCHDOG_PID'] === undefined || env['WATCHDOG_PID'] === String(pid);
    const timeoutMs = hasWatchdog ? Number(env['WATCHDOG_USEC'] ?? 0) / 1000 : 0;
    const ping = timeoutMs > 0 ? ['WATCHDOG=1'] : [];
    const everyMs = timeoutMs > 0 ? timeoutMs / PINGS_PER_TIMEOUT : STATUS_EVERY_MS;
    this.#stopPinging = repeat(clock, everyMs, async () => {
      this.#notifier.send(...ping, `STATUS=${this.#status()}`);
    });
  }

  /** @param status returns the status line, one line of text; called before each message */
  ready(status: () => string): void {
    this.#status = status;
    this.reloaded();
  }

  reloading(): void {
    this.#notifier.send('RELOADING=1');
  }

  /** Ends the reload, also a failed one: the service keeps running. */
  reloaded(): void {
    this.#notifier.send('READY=1', `STATUS=${this.#status()}`);
  }

  stopping(fleet: FleetEnd): void {
    this.#status = () => (fleet === 'leave' ? 'stopping; instances keep running' : 'stopping all instances');
    this.#notifier.send('STOPPING=1', `STATUS=${this.#status()}`);
  }

  /** A restart keeps instances running. Without a known job they are stopped, so that none runs without a daemon. */
  async readFleetEnd(): Promise<FleetEnd> {
    return (await readPendingJob(UNIT, this.#env)) === 'restart' ? 'leave' : 'stop';
  }

  async close(): Promise<void> {
    await this.#stopPinging();
    this.#notifier.close();
  }
}
