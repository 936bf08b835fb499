import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { pipeline } from 'node:stream/promises';
import { setTimeout } from 'node:timers/promises';
import { messageOf } from '../../../shared/errors.ts';

const TIMEOUT_MS = 20_000;
const LAST_OUTPUT_MS = 500;
/** The end of its output, for the message of an error. */
const KEPT_CHARACTERS = 300;
/** The environment of the daemon contains its secrets. */
const PASSED_VARIABLES = ['PATH', 'HOME', 'LANG', 'TZ', 'USER'];

/**
 * Runs the program with the input on its standard input, without a shell and without arguments. Its process group is
 * ended when the program has ended, or when the time is over. A process with a session of its own (`setsid`) lives on.
 *
 * @throws Error with the end of what it printed
 */
export async function runAlertCommand(path: string, input: string, signal: AbortSignal): Promise<void> {
  const env = Object.fromEntries(
    PASSED_VARIABLES.flatMap((name) => {
      const value = process.env[name];
      return value === undefined ? [] : [[name, value]];
    }),
  );
  // A group of its own, so that its children end with it.
  const child = spawn(path, [], { cwd: '/', env, detached: true, stdio: ['pipe', 'pipe', 'pipe'] });
  let output = '';
  const keep = (chunk: Buffer) => {
    output = (output + chunk.toString()).slice(-KEPT_CHARACTERS);
  };
  child.stdout.on('data', keep);
  child.stderr.on('data', keep);
  const limit = AbortSignal.any([signal, AbortSignal.timeout(TIMEOUT_MS)]);
  const end = () => {
    if (child.pid !== undefined) killGroup(child.pid);
  };
  limit.addEventListener('abort', end, { once: true });
  try {
    const exited = once(child, 'exit') as Promise<[number | null, NodeJS.Signals | null]>;
    const closed = once(child, 'close').catch(() => undefined);
    // A program may end without reading its input.
    const written = pipeline([input], child.stdin).catch(() => undefined);
    const [code, endedBy] = await exited.catch((error: unknown) => {
      throw new Error(`ALERT_COMMAND cannot be started: ${messageOf(error)}`, { cause: error });
    });
    await written;
    // What it left in the background can hold the pipes.
    await Promise.race([closed, setTimeout(LAST_OUTPUT_MS, undefined, { ref: false })]);
    if (code === 0) return;
    const why = limit.aborted ? `was ended after ${TIMEOUT_MS / 1000} s` : `ended with ${endedBy ?? code}`;
    const printed = output.replace(/\s+/g, ' ').trim();
    throw new Error(`ALERT_COMMAND ${why}${printed === '' ? '' : `: ${printed}`}`);
  } finally {
    limit.removeEventListener('abort', end);
    end();
    child.stdout.destroy();
    child.stderr.destroy();
  }
}

/** Ends what is left of the group; a program of another user cannot be ended. */
function killGroup(pid: number): void {
  try {
    process.kill(-pid, 'SIGKILL');
  } catch (error) {
    if (!['ESRCH', 'EPERM'].includes((error as NodeJS.ErrnoException).code ?? '')) throw error;
  }
}
