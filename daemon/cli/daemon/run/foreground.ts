import type { EventEmitter } from 'node:events';
import type { RunningDaemon } from '../../../daemon.ts';
import { type CliContext, printLine } from '../../context.ts';

export interface ForegroundOptions {
  launch(): Promise<RunningDaemon>;
  /** Called when the daemon runs; aborted when it stops. */
  onRunning?(stopping: AbortSignal, daemon: RunningDaemon): Promise<void>;
  /** Asked at the first SIGTERM or SIGINT: whether the instances end with the daemon, or are left to the next one. */
  onStop?(): Promise<'stop' | 'leave'>;
  /** Called at SIGHUP. Without it SIGHUP is what it is for any program whose terminal is gone: a wish to end. */
  onReload?(daemon: RunningDaemon): Promise<void>;
  context: Pick<CliContext, 'stderr'>;
  signals: EventEmitter;
  /** Ends the process at once. */
  exit(code: number): void;
}

/**
 * Runs a daemon until SIGTERM or SIGINT: the first stops it in order, the second says that this is under way, the
 * third leaves at once. A signal during the start is kept until there is something to stop.
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
      stopping.abort();
      if (options.onStop) fleet = options.onStop();
      if (daemon) stop(daemon).catch(failed.reject);
    } else if (received === 2) {
      printLine(stderr, `fathomd: ${signal}, stopping already; once more leaves at once`);
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
    daemon = await options.launch();
    if (stopping.signal.aborted) stop(daemon).catch(failed.reject);
    else options.onRunning?.(stopping.signal, daemon).catch(failed.reject);
    await Promise.race([daemon.stopped, failed.promise]);
    return 0;
  } finally {
    stopping.abort();
    for (const [name, handler] of Object.entries(handlers)) options.signals.off(name, handler);
  }
}
