import { mkdir, open } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { messageOf } from '../../shared/errors.ts';

/** Largest number that is added to a name which exists. */
const MAX_SUFFIX = 100;

/**
 * Writes a text to a new file that only its owner can read, because logs and records may be confidential. Never overwrites
 * a file. The folder follows the XDG Base Directory Specification.
 *
 * @returns the path
 * @throws Error with a sentence
 */
export async function saveText(env: NodeJS.ProcessEnv, name: string, text: string): Promise<string> {
  const folder = join(env['XDG_STATE_HOME'] || join(env['HOME'] || homedir(), '.local', 'state'), 'fathom');
  try {
    await mkdir(folder, { recursive: true, mode: 0o700 });
    for (let nth = 1; nth < MAX_SUFFIX; nth += 1) {
      const path = join(folder, nth === 1 ? name : name.replace(/(?=\.txt$)/, `-${nth}`));
      if (await writeNew(path, text)) return path;
    }
    throw new Error(`${name} already exists`);
  } catch (error) {
    throw new Error(`Cannot save the file: ${messageOf(error)}. Set XDG_STATE_HOME to use another folder.`, {
      cause: error,
    });
  }
}

/** @returns false if the file exists */
async function writeNew(path: string, text: string): Promise<boolean> {
  try {
    await using file = await open(path, 'wx', 0o600);
    await file.writeFile(text);
    return true;
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'EEXIST') return false;
    throw error;
  }
}

/** A file name with a description and the time, without characters that need quotes in a shell. */
export function savedFileName(what: string, now: number): string {
  const time = new Date(now).toISOString().replace(/[-:]/g, '').slice(0, 15);
  const name = what
    .replace(/[^A-Za-z0-9._@-]+/g, '-')
    .replace(/^[-.]+|[-.]+$/g, '')
    .slice(0, 100);
  return `${name === '' ? 'fathom' : name}-${time}.txt`;
}
