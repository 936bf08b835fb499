import type { EventEmitter } from 'node:events';
import type { RunningDaemon } from '../../../daemon.ts';
import { type CliContext, printLine } from '../../context.ts';

export interface ForegroundOptions {
  /**
   * @param stopping aborts when the daemon shall stop, also while it starts
   * @param fleetEnd what becomes of the instances, once `stopping` has aborted
   */
  launch(stopping: AbortSignal, fleetEnd: () => Promise<'stop' | 'leave'>): Promise<RunningDaemon>;
  /** Called when the daemon runs. The signal aborts when it stops. */
  onRunning?(stopping: AbortSignal, daemon: RunningDaemon): Promise<void>;
  /** Called at the first SIGTERM or SIGINT. Decides whether the instances stop as well, or stay for the next daemon. */
  onStop?(): Promise<'stop' | 'leave'>;
  /** Called at SIGHUP. Without it, SIGHUP stops the daemon, as the terminal is gone. */
  onReload?(daemon: RunningDaemon): Promise<void>;
  context: Pick<CliContext, 'stderr'>;
  signals: EventEmitter;
  /** Exits the process immediately. */
  exit(code: number): void;
}

/**
 * Runs a daemon until SIGTERM or SIGINT. The first signal stops it in order, the second prints a notice, the third exits
 * immediately. A signal during the start takes effect once the daemon has started, or while it waits for a cluster.
 */
export async function runInForeground(options: ForegroundOptions): Promise<number> {
  const { stderr } = options.context;
  const stopping = new AbortController();
  const failed = Promise.withResolvers<never>();
  let daemon: RunningDaemon | null = null;
  let received = 0;
  let fleet: Promise<'stop' | 'leave'> = Promise.resolve('stop');
  const stop = async (running: RunningDaemon): Promise<void> => running.stop(await fleet);
  const onStop = (signal: string): void => {
    received += 1;
    if (received === 1) {
      printLine(stderr, `fathomd: ${signal}, stopping`);
      if (options.onStop) fleet = options.onStop();
      stopping.abort();
      if (daemon) stop(daemon).catch(failed.reject);
    } else if (received === 2) {
      printLine(stderr, `fathomd: ${signal}, stopping already; a third signal exits immediately`);
    } else {
      options.exit(130);
    }
  };
  const onHangUp = (signal: string): void => {
    if (!options.onReload) onStop(signal);
    else if (daemon && !stopping.signal.aborted) options.onReload(daemon).catch(failed.reject);
  };
  const handlers = { SIGTERM: onStop, SIGINT: onStop, SIGHUP: onHangUp };
  for (const [name, handler] of Object.entries(handlers)) options.signals.on(name, handler);
  try {
    daemon = await options.launch(stopping.signal, () => fleet);
    if (stopping.signal.aborted) stop(daemon).catch(failed.reject);
    else options.onRunning?.(stopping.signal, daemon).catch(failed.reject);
    await Promise.race([daemon.stopped, failed.promise]);
    return 0;
  } catch (error) {
    // The start waited for something, and did not go on.
    if (stopping.signal.aborted && error === stopping.signal.reason) return 0;
    throw error;
  } finally {
    stopping.abort();
    for (const [name, handler] of Object.entries(handlers)) options.signals.off(name, handler);
  }
}
