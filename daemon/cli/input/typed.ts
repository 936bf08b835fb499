import { createInterface } from 'node:readline/promises';
import type { CliContext } from '../context.ts';

/** Reads the first line of standard input: a confirmation by a person or a script. */
export async function typed(question: string, { stdin, stderr }: CliContext): Promise<string> {
  const lines = createInterface({ input: stdin });
  try {
    stderr.write(question);
    for await (const line of lines) return line.trim();
    return '';
  } finally {
    lines.close();
  }
}
