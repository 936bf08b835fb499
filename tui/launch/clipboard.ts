import { spawn } from 'node:child_process';
import { type ClipboardMethods, MAX_TERMINAL_BYTES, osc52 } from '../store/copy/clipboard-methods.ts';

/** Milliseconds until a program that does not read the text is stopped. */
const PROGRAM_TIMEOUT_MS = 2_000;

/**
 * Copies a text to the clipboard with the terminal and with a program, because a terminal does not confirm that it worked.
 *
 * @returns false if no method is available
 */
export async function copyToClipboard(
  text: string,
  { programs, terminal }: ClipboardMethods,
  write: (sequence: string) => void,
): Promise<boolean> {
  const sent = terminal !== null && Buffer.byteLength(text) <= MAX_TERMINAL_BYTES;
  if (sent) write(terminal(osc52(text)));
  for (const command of programs) if (await runWithInput(command, text)) return true;
  return sent;
}

/** Passes the text as standard input, because all users of the host can read arguments. */
function runWithInput([program = '', ...args]: readonly string[], text: string): Promise<boolean> {
  return new Promise((resolve) => {
    const child = spawn(program, args, {
      stdio: ['pipe', 'ignore', 'ignore'],
      timeout: PROGRAM_TIMEOUT_MS,
    });
    child.once('error', () => resolve(false));
    child.once('exit', (code) => resolve(code === 0));
    // A program that has exited already reports it by its exit code.
    child.stdin.once('error', () => {});
    child.stdin.end(text);
  });
}
