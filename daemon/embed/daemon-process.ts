import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import type { DaemonStatus } from '../../shared/api/daemon.ts';
import { ERROR_CODES, FathomError } from '../../shared/errors.ts';
import { processStat } from '../pocketbase/process/procfs.ts';

type Write = (fields: object, message: string) => void;

/** A logger like that of pino and Fastify. */
export interface HostLog {
  debug: Write;
  info: Write;
  warn: Write;
  error: Write;
}

const FATHOMD = join(import.meta.dirname, '..', '..', 'bin', 'fathomd');

/**
 * Stops the daemon in order when the pipe at its input ends: by `stop`, or because the host is gone. A host that is killed leaves
 * no process.
 */
const UNTIL_INPUT_ENDS = `exec 3<&0
"$0" "$@" 3<&- &
daemon=$!
{ while read -r line; do :; done; kill -TERM "$daemon"; } <&3 2>/dev/null &
exec 3<&-
wait "$daemon"`;

/** What the daemon needs of the environment of the host. Its settings are not among them. */
const PASSED_ON = ['PATH', 'HOME', 'USER', 'LANG', 'TZ', 'TMPDIR', 'HTTP_PROXY', 'HTTPS_PROXY', 'NO_PROXY'];
/** Lines of an error that are kept. */
const KEPT_LINES = 20;

/** The reasons for which a daemon does not start, each with an exit code of its own. */
const START_FAILURES = [
  'server.port_in_use',
  'data_dir.unusable',
  'data_dir.locked',
  'config.invalid',
] as const;

/** What the logger of the host writes itself. */
const SET_BY_HOST: ReadonlySet<string> = new Set(['level', 'time', 'pid', 'hostname', 'msg']);

/** Pino's numbers. */
function levelOf(level: unknown): keyof HostLog {
  if (typeof level !== 'number' || level < 30) return 'debug';
  if (level >= 50) return 'error';
  return level >= 40 ? 'warn' : 'info';
}

/**
 * The daemon of a host, as a process of its own: it changes its directory and its file mode mask, and an error of the host does not
 * stop it. It leads its own session, so that Ctrl-C in the terminal of the host does not reach it.
 */
export class DaemonProcess {
  isReady = false;
  /** Resolves when it has ended, with the reason. */
  readonly exited: Promise<FathomError>;
  readonly #child: ChildProcess;
  readonly #log: HostLog | undefined;
  readonly #lastLines: string[] = [];
  readonly #lines: Promise<void>[];

  constructor({
    env,
    dataDir,
    log,
  }: { env: Readonly<Record<string, string>>; dataDir: string; log: HostLog | undefined }) {
    this.#log = log;
    mkdirSync(dataDir, { recursive: true, mode: 0o700 });
    const passedOn = PASSED_ON.flatMap((name) => {
      const value = process.env[name];
      return value === undefined ? [] : [[name, value]];
    });
    const child = spawn('/bin/sh', ['-c', UNTIL_INPUT_ENDS, FATHOMD, 'start', '--data-dir', dataDir], {
      // Otherwise, `.env` of the directory of the host is read.
      cwd: dataDir,
      env: { ...Object.fromEntries(passedOn), ...env },
      stdio: ['pipe', 'pipe', 'pipe'],
      detached: true,
    });
    this.#child = child;
    child.stdin.on('error', () => {});
    this.#lines = [this.#read(child.stdout, 'debug'), this.#read(child.stderr, 'warn')];
    this.exited = this.#exit();
  }

  /** Waits for the end. */
  async stop(): Promise<void> {
    this.#child.stdin?.end();
    await this.exited;
  }

  /** The status, as not ready if it is that of another daemon on the same data directory. */
  async requireOwn(answer: Promise<DaemonStatus>): Promise<DaemonStatus> {
    const status = await answer;
    const parent = processStat(status.pid)?.parent ?? null;
    return parent === this.#child.pid ? status : { ...status, ready: false };
  }

  async #exit(): Promise<FathomError> {
    const ended = await Promise.race([
      once(this.#child, 'exit').then(([code]) => Number(code)),
      once(this.#child, 'error').then(([error]) => error as Error),
    ]);
    this.isReady = false;
    // The part of the shell that waits for the input ends as well.
    this.#child.stdin?.destroy();
    await Promise.allSettled(this.#lines);
    if (ended instanceof Error)
      return new FathomError('internal', `Fathom cannot be started: ${ended.message}`, { cause: ended });
    const said = this.#lastLines.join('\n').replace(/^fathomd: /gm, '');
    const code = START_FAILURES.find((one) => ERROR_CODES[one].exit === ended) ?? 'internal';
    return new FathomError(code, said || `the daemon ended with exit code ${ended}`);
  }

  /** Lines in JSON are the log. Others are at `level`. */
  async #read(stream: Readable, level: 'debug' | 'warn'): Promise<void> {
    for await (const line of createInterface({ input: stream })) {
      const entry = parseEntry(line);
      if (level === 'warn' && entry === null) {
        this.#lastLines.push(line);
        if (this.#lastLines.length > KEPT_LINES) this.#lastLines.shift();
      }
      if (entry === null) {
        this.#log?.[level]({}, line);
        continue;
      }
      const fields = Object.entries(entry).filter(([name]) => !SET_BY_HOST.has(name));
      this.#log?.[levelOf(entry['level'])](Object.fromEntries(fields), String(entry['msg']));
    }
  }
}

function parseEntry(line: string): Record<string, unknown> | null {
  if (!line.startsWith('{')) return null;
  try {
    return JSON.parse(line) as Record<string, unknown>;
  } catch {
    return null;
  }
}
