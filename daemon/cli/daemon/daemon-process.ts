import { type FileHandle, open } from 'node:fs/promises';
import { devNull } from 'node:os';
import { join } from 'node:path';
import { execa } from 'execa';
import { messageOf } from '../../../shared/errors.ts';
import { makeDirectory } from '../../base/files/dir.ts';
import { packageRoot } from '../../base/package.ts';
import { type CliContext, environmentWith } from '../context.ts';

/** How much of the log is looked at for the last lines of a daemon that ended early. */
const TAIL_BYTES = 16 * 1024;
const TAIL_LINES = 20;

/** A daemon that was started in the background and outlives this process unless it is stopped. */
export interface DaemonProcess {
  pid: number;
  logFile: string;
  /** Null while it runs. */
  readonly exitCode: number | null;
  /** Settles when it has ended; never rejects. */
  exited: Promise<void>;
  /** Asks it to stop and waits until it has. */
  stop(): Promise<void>;
  /** Lets this process end without it. */
  release(): void;
  /** What this start of it printed last. */
  lastLines(): Promise<string[]>;
}

export async function spawnDaemon(
  dataDir: string,
  { demo, dataDir: dataDirArgument }: { demo: boolean; dataDir: string | undefined },
  context: CliContext,
): Promise<DaemonProcess> {
  const { logFile, log } = await openLog(join(dataDir, 'logs'));
  const { size: before } = await log.stat();
  // execa takes file descriptors; its types leave them out.
  const output = log.fd as unknown as 'inherit';
  const dataDirOption = dataDirArgument === undefined ? [] : ['--data-dir', dataDirArgument];
  const child = execa(
    join(packageRoot(), 'bin', 'fathomd'),
    ['serve', ...dataDirOption, ...(demo ? ['--demo'] : [])],
    {
      // A session of its own, and files instead of pipes: neither this terminal nor this process takes it along.
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

/** A log that cannot be opened does not keep the daemon from its start. */
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
