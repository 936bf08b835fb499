import { type FileHandle, open } from 'node:fs/promises';
import { devNull } from 'node:os';
import { join } from 'node:path';
import { execa } from 'execa';
import { messageOf } from '../../../shared/errors.ts';
import { makeDirectory } from '../../base/files/dir.ts';
import { packageRoot } from '../../base/package.ts';
import { type CliContext, environmentWith } from '../context.ts';

/** Bytes at the end of the log that are read for the last lines of a daemon that exited early. */
const TAIL_BYTES = 16 * 1024;
const TAIL_LINES = 20;

/** A daemon in the background. It continues to run after this process exits. */
export interface DaemonProcess {
  pid: number;
  logFile: string;
  /** Null while the daemon runs. */
  readonly exitCode: number | null;
  /** Resolves when the daemon has exited; never rejects. */
  exited: Promise<void>;
  /** Sends SIGTERM and waits for the exit. */
  stop(): Promise<void>;
  /** Lets this process exit while the daemon runs. */
  release(): void;
  /** The last lines of its output since this start. */
  lastLines(): Promise<string[]>;
}

export async function spawnDaemon(
  dataDir: string,
  { demo, dataDir: dataDirArgument }: { demo: boolean; dataDir: string | undefined },
  context: CliContext,
): Promise<DaemonProcess> {
  const { logFile, log } = await openLog(join(dataDir, 'logs'));
  const { size: before } = await log.stat();
  // execa accepts file descriptors; its types do not.
  const output = log.fd as unknown as 'inherit';
  const dataDirOption = dataDirArgument === undefined ? [] : ['--data-dir', dataDirArgument];
  const child = execa(
    join(packageRoot(), 'bin', 'fathomd'),
    ['serve', ...dataDirOption, ...(demo ? ['--demo'] : [])],
    {
      // A separate session, and files instead of pipes: the daemon survives this terminal and this process.
      detached: true,
      cleanup: false,
      reject: false,
      buffer: false,
      stdio: ['ignore', output, output],
      cwd: context.cwd,
      extendEnv: false,
      env: environmentWith(context),
    },
  );
  await log.close();
  const { pid } = child;
  if (pid === undefined)
    throw new Error(`the daemon could not be started: ${messageOf((await child).cause)}`);
  let exitCode: number | null = null;
  const exited = (async () => {
    exitCode = (await child).exitCode ?? 1;
  })();
  return {
    pid,
    logFile,
    get exitCode() {
      return exitCode;
    },
    exited,
    async stop() {
      child.kill('SIGTERM');
      await exited;
    },
    release: () => child.nodeChildProcess.unref(),
    lastLines: () => readTail(logFile, before),
  };
}

/** Best effort: a log that cannot be opened does not block the start. */
async function openLog(directory: string): Promise<{ logFile: string; log: FileHandle }> {
  const logFile = join(directory, 'fathomd.log');
  try {
    await makeDirectory(directory);
    return { logFile, log: await open(logFile, 'a', 0o600) };
  } catch {
    return { logFile: devNull, log: await open(devNull, 'a') };
  }
}

async function readTail(path: string, from: number): Promise<string[]> {
  await using file = await open(path, 'r');
  const { size } = await file.stat();
  const start = Math.max(from, size - TAIL_BYTES);
  const { buffer, bytesRead } = await file.read({
    buffer: Buffer.alloc(Math.max(1, size - start)),
    position: start,
  });
  const lines = buffer.toString('utf8', 0, bytesRead).split('\n');
  return lines.filter((line) => line !== '').slice(-TAIL_LINES);
}
