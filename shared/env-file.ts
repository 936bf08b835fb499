import { lstatSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import { parse } from 'dotenv';
import { type FileContent, readRegularFile } from './regular-file.ts';

export const MAX_ENV_FILE_BYTES = 1024 * 1024;

const GROUP_CAN_WRITE = 0o020;
const OTHERS_CAN_WRITE = 0o002;
const STICKY = 0o1000;

export interface EnvFile {
  path: string;
  /** Permission bits. */
  mode: number;
  text: string;
  values: Readonly<Record<string, string>>;
}

export interface UnreadableFile {
  path: string;
  /** The code of the system, like `EACCES`, or why the file is not read. */
  error: string;
}

/** An env file that was not read, because another user decides about its content. */
export interface RefusedFile {
  path: string;
  /** What is wrong and how to correct it, with `; ` between the two. */
  refusal: string;
}

/** What decides who can change a file. */
export interface FileOwner {
  uid: number;
  gid: number;
  mode: number;
}

/**
 * Reads an env file. Its settings name programs that run and the socket that gets passwords, so a file is refused when
 * another user can change it.
 *
 * @param trusted users whose files are read; null reads files of every user
 */
export function readEnvFile(
  path: string,
  trusted: ReadonlySet<number> | null,
): EnvFile | UnreadableFile | RefusedFile {
  try {
    const { text, stats, linkedBy } = readPossibleLink(path);
    const refusal = trusted && refusalOf({ path, file: stats, linkedBy, trusted });
    if (refusal !== null) return { path, refusal };
    return { path, mode: stats.mode & 0o777, text, values: parse(text) };
  } catch (error) {
    return { path, error: error instanceof Error && 'code' in error ? String(error.code) : 'unknown error' };
  }
}

/** `linkedBy`: the link and its directory, for a symbolic link. */
function readPossibleLink(path: string): FileContent & { linkedBy: readonly FileOwner[] } {
  try {
    return {
      ...readRegularFile(path, { maxBytes: MAX_ENV_FILE_BYTES, followLink: false }),
      linkedBy: [],
    };
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'ELOOP')) throw error;
  }
  const linkedBy = [lstatSync(path), statSync(dirname(path))];
  return { ...readRegularFile(path, { maxBytes: MAX_ENV_FILE_BYTES }), linkedBy };
}

/**
 * Why an env file must not be read; null when only trusted users can change it.
 *
 * A link of another user could lead to a file of root with lines that this user caused, like a log.
 */
export function refusalOf({
  path,
  file,
  linkedBy,
  trusted,
}: {
  path: string;
  file: FileOwner;
  linkedBy: readonly FileOwner[];
  trusted: ReadonlySet<number>;
}): string | null {
  const stranger = [file, ...linkedBy].find(({ uid }) => !trusted.has(uid));
  if (stranger !== undefined) {
    const what = stranger === file ? path : `the link ${path}`;
    return `${what} belongs to another user (uid ${stranger.uid}), who could change what this command does; run this as that user, in another directory, or with --data-dir for the data directory of that user`;
  }
  if (isWritableByOthers(file)) {
    const mode = (file.mode & 0o777).toString(8).padStart(4, '0');
    return `${path} can be written by other users (mode ${mode}), who could change what this command does; run 'chmod go-w ${path}'`;
  }
  const [link, directory] = linkedBy;
  if (link && directory && isWritableByOthers(directory) && (directory.mode & STICKY) === 0)
    return `other users can replace the link ${path}; run 'chmod go-w ${dirname(path)}'`;
  return null;
}

/** A group with the number of the owner is the owner's own group, where the umask 002 is usual. */
function isWritableByOthers({ uid, gid, mode }: FileOwner): boolean {
  return (mode & OTHERS_CAN_WRITE) !== 0 || ((mode & GROUP_CAN_WRITE) !== 0 && gid !== uid);
}

/** Root and the user of this process. Null where the system has no such users. */
export function ownUsers(): ReadonlySet<number> | null {
  const uid = process.geteuid?.();
  return uid === undefined ? null : new Set([0, uid]);
}
