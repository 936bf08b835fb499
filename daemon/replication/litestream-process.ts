import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { open, readFile, rm, stat, truncate } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { unlessMissing } from '../base/files/dir.ts';
import { replaceFile } from '../base/files/replace-file.ts';
import type { Logger } from '../base/log/log.ts';
import { type Clock, settlesWithin } from '../base/time/clock.ts';
import { argumentsOf } from '../pocketbase/process/procfs.ts';
import { ControlSocket } from './control-socket.ts';
import { programEnvironment } from './litestream-binary.ts';
import { litestreamConfig } from './litestream-config.ts';
import { shortenError } from './litestream-error.ts';
import { endFormerRestores } from './restore-replica.ts';

const START_TIMEOUT_MS = 10_000;
const LOOK_EVERY_MS = 50;
/** Litestream sends what is left. */
const STOP_GRACE_MS = 10_000;
const MAX_LOG_BYTES = 1024 * 1024;
const TAIL_BYTES = 4096;

/** Relative to the data directory, which is the current one: the path of a socket has at most 107 bytes. */
const SOCKET = join('run', 'litestream.sock');

const pathsOf = (dataDir: string) => {
  const run = join(dataDir, 'run');
  return {
    socket: join(run, 'litestream.sock'),
    config: join(run, 'litestream.yml'),
    pid: join(run, 'litestream.pid'),
    log: join(run, 'litestream.log'),
  };
};

export interface ProcessEnd {
  /** `exit code 1` or `SIGKILL`. */
  how: string;
  /** The last error that it logged; null without one. */
  cause: string | null;
}

/**
 * One process of Litestream. Its log is a file, so that it does not end with the pipe of a daemon that is killed: the next
 * daemon ends it.
 */
export class LitestreamProcess {
  readonly control = new ControlSocket(SOCKET);
  readonly pid: number;
  readonly ended: Promise<ProcessEnd>;
  readonly #child: ChildProcess;
  readonly #dataDir: string;

  private constructor(child: ChildProcess, pid: number, dataDir: string) {
    this.#child = child;
    this.pid = pid;
    this.#dataDir = dataDir;
    this.ended = once(child, 'exit').then(async ([code, signal]) => ({
      how: signal === null ? `exit code ${code}` : String(signal),
      cause: await this.lastError(),
    }));
  }

  /** Resolves when it answers. @throws Error when it does not run */
  static async start(
    path: string,
    { dataDir, clock }: { dataDir: string; clock: Clock },
  ): Promise<LitestreamProcess> {
    const paths = pathsOf(dataDir);
    await replaceFile(paths.config, litestreamConfig(SOCKET), { mode: 0o600, synced: false });
    await rm(paths.log, { force: true });
    await using log = await open(paths.log, 'ax', 0o600);
    const child = spawn(path, ['replicate', '-no-expand-env', '-config', paths.config], {
      cwd: dataDir,
      env: programEnvironment(),
      stdio: ['ignore', 'ignore', log.fd],
      // A signal for the group of the daemon would end it before the databases.
      detached: true,
    });
    await once(child, 'spawn');
    const started = new LitestreamProcess(child, child.pid ?? 0, dataDir);
    try {
      await replaceFile(paths.pid, String(started.pid), { mode: 0o600, synced: false });
      await started.#untilReady(clock);
    } catch (error) {
      // Without it, every retry would leave one.
      started.kill();
      await started.ended;
      throw error;
    }
    return started;
  }

  async #untilReady(clock: Clock): Promise<void> {
    const until = clock.monotonic() + START_TIMEOUT_MS;
    while (!(await this.control.isReady())) {
      if (this.#child.exitCode !== null || this.#child.signalCode !== null) {
        const { how, cause } = await this.ended;
        throw new Error(`it ended (${how}): ${cause ?? 'it logged no error'}`);
      }
      if (clock.monotonic() > until) throw new Error(`it did not answer within ${START_TIMEOUT_MS / 1000} s`);
      await clock.sleep(LOOK_EVERY_MS);
    }
  }

  kill(): void {
    this.#child.kill('SIGKILL');
  }

  /** Lets it send what is left. */
  async stop(clock: Clock): Promise<void> {
    this.#child.kill('SIGTERM');
    if (!(await settlesWithin(clock, STOP_GRACE_MS, this.ended))) this.kill();
    await this.ended;
    await removeRunFiles(this.#dataDir);
  }

  /** The last error in its log; null without one. */
  async lastError(): Promise<string | null> {
    const { log } = pathsOf(this.#dataDir);
    const lines = (await readTail(log)).split('\n').filter((line) => line !== '');
    const last = lines.findLast(isError) ?? lines.findLast(isPlain);
    return last === undefined ? null : describeLine(last);
  }

  /** The last errors in its log, as it wrote them. */
  async lastErrors(): Promise<string[]> {
    return (await readTail(pathsOf(this.#dataDir).log)).split('\n').filter(isError);
  }

  /** It appends, so it continues at the beginning. */
  async limitLog(): Promise<void> {
    const { log } = pathsOf(this.#dataDir);
    const size = (await stat(log).catch(unlessMissing))?.size ?? 0;
    if (size > MAX_LOG_BYTES) await truncate(log);
  }
}

/** Ends what a killed daemon has left. Call it before files of databases are moved. */
export async function endFormerProcesses(
  dataDir: string,
  { clock, log }: { clock: Clock; log: Logger },
): Promise<void> {
  if (!existsSync(pathsOf(dataDir).pid)) return;
  const restores = await endFormerRestores(dataDir, clock);
  if (restores.length > 0) log.info({ pids: restores }, 'ended restores of an earlier daemon');
  const pid = await endFormerProcess(dataDir, clock);
  if (pid !== null) log.info({ pid }, 'ended the Litestream of an earlier daemon');
}

async function endFormerProcess(dataDir: string, clock: Clock): Promise<number | null> {
  const paths = pathsOf(dataDir);
  const pid = Number(await readFile(paths.pid, 'utf8'));
  // Another process may have the number now.
  const runs = () =>
    Number.isSafeInteger(pid) && pid > 1 && (argumentsOf(pid)?.includes(paths.config) ?? false);
  const wasRunning = runs();
  if (wasRunning) process.kill(pid, 'SIGTERM');
  const until = clock.monotonic() + STOP_GRACE_MS;
  while (runs()) {
    if (clock.monotonic() > until) process.kill(pid, 'SIGKILL');
    await clock.sleep(LOOK_EVERY_MS);
  }
  await removeRunFiles(dataDir);
  return wasRunning ? pid : null;
}

async function removeRunFiles(dataDir: string): Promise<void> {
  const { pid, socket, config } = pathsOf(dataDir);
  for (const path of [socket, config, pid]) await rm(path, { force: true });
}

async function readTail(path: string): Promise<string> {
  const opened = await open(path, 'r').catch(unlessMissing);
  if (!opened) return '';
  await using file = opened;
  const { size } = await file.stat();
  const from = Math.max(0, size - TAIL_BYTES);
  const { buffer, bytesRead } = await file.read(Buffer.alloc(TAIL_BYTES), 0, TAIL_BYTES, from);
  return buffer.toString('utf8', 0, bytesRead);
}

/** Databases are registered later, so the configuration has none. */
function isError(line: string): boolean {
  return line.includes('"ERROR"') && !line.includes('no databases specified');
}

/** A line of Go's runtime, or of an error before Litestream logs. */
function isPlain(line: string): boolean {
  return !line.startsWith('{');
}

const logLineSchema = z.object({ msg: z.string(), error: z.string().optional() });

function describeLine(line: string): string {
  try {
    const { msg, error } = logLineSchema.parse(JSON.parse(line));
    return shortenError(error === undefined ? msg : `${msg}: ${error}`);
  } catch {
    return shortenError(line);
  }
}
