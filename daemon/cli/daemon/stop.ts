import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { createClient } from '../../../shared/client/fathom-client.ts';
import { FathomError } from '../../../shared/errors.ts';
import { readSettingsFiles } from '../../../shared/settings-files.ts';
import { becomeOwner } from '../../base/process-account.ts';
import { findDaemonProcess, isDaemon } from '../../host/daemon-process.ts';
import { SERVICE, SOCKET } from '../../host/install/release/layout.ts';
import { isAlive, processStat } from '../../pocketbase/process/procfs.ts';
import { type ConnectArguments, connectionOf } from '../connect.ts';
import { type CliContext, printJson, printLine } from '../context.ts';
import { printable } from '../output/print.ts';

/** The same as TimeoutStopSec of the systemd service. */
const STOP_WITHIN_S = 90;
const STATUS_TIMEOUT_MS = 5_000;
const POLL_EVERY_MS = 50;

type LocalArguments = Omit<ConnectArguments, 'url'>;

/** Stops the instances and the daemon, and waits for the exit. Succeeds if no daemon runs. */
export async function stopDaemon(
  args: LocalArguments & { timeout?: number | undefined; json: boolean },
  context: CliContext,
): Promise<number> {
  const { env, cwd } = context;
  const commandLine = { dataDir: args['data-dir'], envFile: args['env-file'] };
  const { dataDir } = readSettingsFiles({ commandLine, env, cwd });
  const pid = await findDaemon(args, dataDir, context);
  // The data directory and its daemon name a process. As their owner, this command can end no process of another user.
  becomeOwner(dataDir);
  if (pid !== null) await endDaemon(pid, { timeoutMs: (args.timeout ?? STOP_WITHIN_S) * 1000 });
  if (args.json) printJson(context, { stopped: pid });
  else {
    const { target } = connectionOf(args, context);
    const where = 'socketPath' in target ? target.socketPath : '';
    printLine(
      context.stdout,
      printable(pid === null ? `no daemon runs at ${where}` : `the daemon is stopped (pid ${pid})`),
    );
  }
  return 0;
}

/** The process id of the daemon of this data directory, or null. A daemon that does not answer is found by its lock or PID file. */
async function findDaemon(
  args: LocalArguments,
  dataDir: string,
  context: CliContext,
): Promise<number | null> {
  const { target } = connectionOf(args, context);
  // A connection to this socket would start the daemon.
  if ('socketPath' in target && target.socketPath === SOCKET) throw systemdRunsIt();
  try {
    return (await createClient({ target, timeoutMs: STATUS_TIMEOUT_MS }).daemon.status()).pid;
  } catch (error) {
    if (!(error instanceof FathomError && error.code === 'daemon.unreachable')) throw error;
    return args.socket === undefined ? findDaemonProcess(dataDir) : null;
  }
}

/**
 * Sends SIGTERM, which stops the instances as well, and waits for the exit.
 *
 * @throws FathomError `conflict` if systemd runs the daemon or it does not exit in time, `auth.forbidden` if it belongs to another user
 */
async function endDaemon(pid: number, { timeoutMs }: { timeoutMs: number }): Promise<void> {
  if (isService(pid)) throw systemdRunsIt();
  const process = processStat(pid);
  if (process === null || !isDaemon(pid)) return;
  signal(pid);
  const deadline = performance.now() + timeoutMs;
  while (isAlive(pid, process.startTime)) {
    if (performance.now() > deadline) {
      throw new FathomError(
        'conflict',
        `the daemon (pid ${pid}) did not exit within ${timeoutMs / 1000} s. See its log, or run 'kill -9 ${pid}': databases keep running, and the next daemon takes them over.`,
      );
    }
    await sleep(POLL_EVERY_MS);
  }
}

function signal(pid: number): void {
  try {
    process.kill(pid, 'SIGTERM');
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    // The daemon has exited already.
    if (code === 'ESRCH') return;
    throw new FathomError(
      'auth.forbidden',
      `the daemon (pid ${pid}) belongs to another user; run this as that user or as root`,
      { cause: error },
    );
  }
}

/** Whether systemd runs the process. Only systemctl may stop it: the socket unit would start it again. */
export function isService(pid: number): boolean {
  return readOrEmpty(`/proc/${pid}/cgroup`).includes(`/${SERVICE}`);
}

function systemdRunsIt(): FathomError {
  return new FathomError('conflict', "systemd runs this daemon; stop it with 'systemctl stop fathomd'");
}

function readOrEmpty(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}
