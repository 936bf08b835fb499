import { createInterface } from 'node:readline/promises';
import { Writable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { randomPassword } from '../../config/sources/secrets-file.ts';
import { type CliContext, type Output, printLine } from '../context.ts';
import { UsageError } from './usage-error.ts';

/** Reads a password from stdin or a hidden prompt, or generates one. Every user of the host could read it in argv. */
export async function choosePassword(
  { passwordStdin }: { passwordStdin: boolean },
  { stdin, stderr }: CliContext,
): Promise<{ password: string; generated: boolean }> {
  if (passwordStdin) {
    const password = (await text(stdin)).replace(/\r?\n$/, '');
    if (password === '')
      throw new UsageError('stdin contains no password; pipe one in, or omit --password-stdin');
    return { password, generated: false };
  }
  if (stdin.isTTY === true) {
    const password = await ask('Password (empty: generate one): ', stdin, stderr);
    if (password !== '') {
      if ((await ask('Again: ', stdin, stderr)) !== password)
        throw new UsageError('the two passwords differ; try again');
      return { password, generated: false };
    }
  }
  return { password: randomPassword(), generated: true };
}

/** Reads a line without echo. */
async function ask(question: string, stdin: NodeJS.ReadableStream, stderr: Output): Promise<string> {
  const nowhere = new Writable({ write: (_chunk, _encoding, done) => done() });
  const prompt = createInterface({ input: stdin, output: nowhere, terminal: true, historySize: 0 });
  const cancelled = new AbortController();
  prompt.on('SIGINT', () => cancelled.abort());
  prompt.on('close', () => cancelled.abort());
  try {
    // Listens before the prompt is shown, so that no input is lost.
    const answer = prompt.question('', { signal: cancelled.signal });
    stderr.write(question);
    return await answer;
  } catch (error) {
    if (cancelled.signal.aborted) throw new UsageError('no password was given; nothing was done');
    throw error;
  } finally {
    prompt.close();
    printLine(stderr, '');
  }
}

/** Reads the first line of standard input: a confirmation by a person or a script. */
export async function readConfirmation(question: string, { stdin, stderr }: CliContext): Promise<string> {
  const lines = createInterface({ input: stdin });
  try {
    stderr.write(question);
    for await (const line of lines) return line.trim();
    return '';
  } finally {
    lines.close();
  }
}
