import { spawn } from 'node:child_process';
import { type ClipboardMethods, MAX_TERMINAL_BYTES, osc52 } from '../store/copy/clipboard-methods.ts';

/** Milliseconds until a program that does not take the text is given up. */
const PROGRAM_TIMEOUT_MS = 2_000;

/**
 * Hands a text to the clipboard by every way that there is: whether a terminal has taken it, it does not say.
 *
 * @returns false where there was none
 */
export async function copyToClipboard(
  text: string,
  { programs, terminal }: ClipboardMethods,
  write: (sequence: string) => void,
): Promise<boolean> {
  const sent = terminal !== null && Buffer.byteLength(text) <= MAX_TERMINAL_BYTES;
  if (sent) write(terminal(osc52(text)));
  for (const command of programs) if (await feed(command, text)) return true;
  return sent;
}

/** The text goes by standard input: arguments can be read by every user of the host. */
function feed([program = '', ...args]: readonly string[], text: string): Promise<boolean> {
  return new Promise((resolve) => {
    const child = spawn(program, args, {
      stdio: ['pipe', 'ignore', 'ignore'],
      timeout: PROGRAM_TIMEOUT_MS,
    });
    child.once('error', () => resolve(false));
    child.once('exit', (code) => resolve(code === 0));
    // A program that has ended already says so by its exit.
    child.stdin.once('error', () => {});
    child.stdin.end(text);
  });
}
