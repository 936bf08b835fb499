import { join } from 'node:path';
import { execa } from 'execa';
import { createClient } from '../../../shared/client/fathom-client.ts';
import { messageOf } from '../../../shared/errors.ts';
import { packageRoot } from '../../base/package.ts';
import type { LoadedConfig } from '../../config/config.ts';
import { keyWarnings } from '../../host/doctor/key-checks.ts';
import { type CliContext, environmentWith, printLine } from '../context.ts';
import { printable, printWarnings } from '../output/print.ts';
import { ownCommand } from '../own-command.ts';
import { awaitReady } from './await-ready.ts';
import { type DaemonProcess, spawnDaemon } from './daemon-process.ts';
import { printNextSteps } from './next-steps.ts';
import { isService, stopDaemon } from './stop.ts';

/** Exit code of the console: stop the daemon as well. */
const STOP_DAEMON_TOO = 3;
const POLL_EVERY_MS = 200;
/** After that, the console opens in any case: it shows what is missing and continues to wait. */
const READY_WITHIN_MS = 60_000;

export async function startOnTerminal(
  loaded: LoadedConfig,
  options: { demo: boolean; dataDir: string | undefined },
  context: CliContext,
): Promise<number> {
  const { config, warnings } = loaded;
  printWarnings([...warnings, ...keyWarnings(loaded)], context);
  const daemon = await spawnDaemon(config.dataDir, options, context);
  printLine(context.stdout, `starting the daemon (pid ${daemon.pid}, log ${daemon.logFile})`);
  const outcome = await waitForDaemon(daemon, loaded, options.dataDir, context);
  if (outcome !== 'open') return outcome;
  const code = await openConsole({ socketPath: config.socketPath, ownsDaemon: true }, context);
  if (code !== STOP_DAEMON_TOO) {
    daemon.release();
    if (daemon.exitCode === null) printLine(context.stdout, howToStop(options.dataDir, context));
    return code;
  }
  printLine(context.stdout, 'stopping the daemon');
  await daemon.stop();
  return 0;
}

/** Opens the console on a running daemon. On exit, the console asks whether to stop it, unless systemd runs it. */
export async function openOnRunning(
  { socketPath, pid, dataDir }: { socketPath: string; pid: number; dataDir: string | undefined },
  context: CliContext,
): Promise<number> {
  const ownsDaemon = !isService(pid);
  const code = await openConsole({ socketPath, ownsDaemon }, context);
  if (code === STOP_DAEMON_TOO) {
    printLine(context.stdout, 'stopping the daemon');
    return stopDaemon({ 'data-dir': dataDir, json: false }, context);
  }
  if (ownsDaemon) printLine(context.stdout, howToStop(dataDir, context));
  return code;
}

function howToStop(dataDir: string | undefined, context: CliContext): string {
  const option = dataDir === undefined ? '' : ` --data-dir ${dataDir}`;
  return `stop the daemon with '${ownCommand('fathomd', context)} stop${option}'`;
}

function ignore(): void {}

/** Runs the console in this terminal and returns its exit code. */
export async function openConsole(
  { socketPath, ownsDaemon }: { socketPath: string; ownsDaemon: boolean },
  context: CliContext,
): Promise<number> {
  // The console handles Ctrl-C: both processes get the signals of this terminal.
  process.on('SIGINT', ignore);
  try {
    const result = await execa(join(packageRoot(), 'bin', 'fathom-tui'), ['--socket', socketPath], {
      stdio: 'inherit',
      reject: false,
      cwd: context.cwd,
      extendEnv: false,
      env: environmentWith(context, { FATHOM_OWNS_DAEMON: ownsDaemon ? '1' : null }),
    });
    if (result.exitCode === undefined && result.signal === undefined)
      throw new Error(`the console cannot be opened: ${messageOf(result.cause)}`);
    return result.exitCode ?? 1;
  } finally {
    process.off('SIGINT', ignore);
  }
}

async function waitForDaemon(
  daemon: DaemonProcess,
  loaded: LoadedConfig,
  dataDir: string | undefined,
  context: CliContext,
): Promise<'open' | number> {
  const client = createClient({ target: { socketPath: loaded.config.socketPath } });
  const interrupted = new AbortController();
  const exited = new AbortController();
  const onInterrupt = (): void => interrupted.abort();
  process.on('SIGINT', onInterrupt);
  process.on('SIGTERM', onInterrupt);
  void daemon.exited.then(() => exited.abort());
  try {
    const status = await awaitReady({
      status: (signal) => client.daemon.status({ signal }),
      onWaiting: (what) => printLine(context.stdout, printable(`waiting for ${what} …`)),
      signal: AbortSignal.any([interrupted.signal, exited.signal, AbortSignal.timeout(READY_WITHIN_MS)]),
      pollEveryMs: POLL_EVERY_MS,
    });
    if (interrupted.signal.aborted) {
      printLine(context.stdout, 'stopping the daemon');
      await daemon.stop();
      return 130;
    }
    if (daemon.exitCode !== null) {
      for (const line of await daemon.lastLines()) printLine(context.stderr, printable(line));
      printLine(
        context.stderr,
        `fathomd: the daemon exited with code ${daemon.exitCode}; see ${daemon.logFile}`,
      );
      return daemon.exitCode || 70;
    }
    if (status !== null) printNextSteps(loaded, status, dataDir, context);
    return 'open';
  } finally {
    process.off('SIGINT', onInterrupt);
    process.off('SIGTERM', onInterrupt);
  }
}
