import type { EventEmitter } from 'node:events';
import type { RunningDaemon } from '../daemon.ts';
import { type CliContext, printLine } from './context.ts';

export interface ForegroundOptions {
  launch(): Promise<RunningDaemon>;
  /** Called when the daemon runs; aborted when it stops. */
  onRunning?(stopping: AbortSignal): Promise<void>;
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
  const stop = (): void => {
    daemon?.stop().catch(failed.reject);
  };
  const onSignal = (signal: string): void => {
    received += 1;
    if (received === 1) {
      printLine(stderr, `fathomd: ${signal}, stopping`);
      stopping.abort();
      stop();
    } else if (received === 2) {
      printLine(stderr, `fathomd: ${signal}, stopping already; once more leaves at once`);
    } else {
      options.exit(130);
    }
  };
  const names = ['SIGTERM', 'SIGINT'];
  for (const name of names) options.signals.on(name, onSignal);
  try {
    daemon = await options.launch();
    if (stopping.signal.aborted) stop();
    else options.onRunning?.(stopping.signal).catch(failed.reject);
    await Promise.race([daemon.stopped, failed.promise]);
    return 0;
  } finally {
    stopping.abort();
    for (const name of names) options.signals.off(name, onSignal);
  }
}
