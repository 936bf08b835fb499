import { createHash } from 'node:crypto';
import { constants, lstat, open } from 'node:fs/promises';
import { join } from 'node:path';
import { systemErrorCode } from '../../base/files/dir.ts';
import { APPLICATIONS, GUARDS, HOOK_ENTRY } from '../../supervisor/hook-entry.ts';
import { duplicate, sha256 } from '../migrations/migration-files.ts';
import { listTree, type TreeFile, unreadable } from './read-tree.ts';
import { SetProblem } from './set-problem.ts';
import type { Application } from './sources.ts';

/** A hook or a static file of an application. */
export interface ServedFile extends TreeFile {
  /** In the directory that PocketBase gets: `hooks/…` or `public/…`. */
  path: string;
  /** How it is named to people, such as `shop/hooks/main.pb.js`. */
  label: string;
  sha256: string;
}

/** What databases with a set of applications serve, beside their data. */
export interface Served {
  /** Hash of names and contents. */
  hash: string;
  hasHooks: boolean;
  hasPublic: boolean;
  /** Whether hooks have jobs at fixed times, which need a process. */
  hasJobs: boolean;
  /** Names of the applications with hooks. Absent in records of earlier releases. */
  hookApplications?: readonly string[];
}

export interface ServedFiles extends Served {
  files: readonly ServedFile[];
}

/** Files that PocketBase runs, at the top level only. */
const HOOK = /\.pb\.(?:js|ts)$/;
/** The hidden directory of RFC 8615, with files such as `security.txt`. */
export const WELL_KNOWN = '.well-known';
const JOB = /\bcronAdd\s*\(/;
const MAX_HOOK_BYTES = 16 * 1024 * 1024;
const MAX_PUBLIC_BYTES = 512 * 1024 * 1024;
const HASH_CHARACTERS = 32;
/** Part of the hash. Changes with the form in which files are assembled. */
const FORM = 'hooks 1\n';
/** The same for the hook of sets with a page, see `hook-entry.ts`. */
const PAGE_FORM = 'page 1\n';

/**
 * Reads hooks and static files. Hooks get a directory for each application, see `hook-entry.ts`. Other files below `hooks`
 * keep their paths, so that `require(__hooks + '/lib.js')` works.
 *
 * @returns null when there are none
 * @throws SetProblem
 */
export async function readServedFiles(applications: readonly Application[]): Promise<ServedFiles | null> {
  const files = new Map<string, ServedFile>();
  let hasJobs = false;
  const hookApplications: string[] = [];
  const add = (file: ServedFile) => {
    const other = files.get(file.path);
    if (other && other.sha256 !== file.sha256) throw duplicate(file, other);
    if (!other) files.set(file.path, file);
  };
  for (const { name, directory } of applications) {
    const hooks = await readHooks({ name, directory });
    if (hooks.some(({ path }) => isHook(path))) hookApplications.push(name);
    for (const { text, ...file } of hooks) {
      hasJobs ||= JOB.test(text);
      const path = join('hooks', isHook(file.path) ? join(APPLICATIONS, name, file.path) : file.path);
      add({ ...file, path });
    }
    for (const file of await listServed(join(directory, 'public'), WELL_KNOWN)) {
      const label = `${name}/public/${file.path}`;
      const { hash } = await readServed(file, label, MAX_PUBLIC_BYTES);
      add({ ...file, path: join('public', file.path), label, sha256: hash });
    }
  }
  if (files.size === 0) return null;
  const all = [...files.values()].toSorted((a, b) => (a.path < b.path ? -1 : 1));
  const has = (start: string) => all.some(({ path }) => path.startsWith(start));
  const isPage = hasPage(all);
  return {
    hash: sha256(
      Buffer.from(
        FORM + (isPage ? PAGE_FORM : '') + all.map((file) => `${file.path}\0${file.sha256}\n`).join(''),
      ),
    ).slice(0, HASH_CHARACTERS),
    files: all,
    hasHooks: isPage || has('hooks/'),
    hasPublic: has('public/'),
    hasJobs,
    hookApplications,
  };
}

/** Reads the files below `hooks` of an application, with paths in it. @throws SetProblem */
export async function readHooks({
  name,
  directory,
}: Pick<Application, 'name' | 'directory'>): Promise<(ServedFile & { text: string })[]> {
  const hooks: (ServedFile & { text: string })[] = [];
  for (const file of await listServed(join(directory, 'hooks'))) {
    const label = `${name}/hooks/${file.path}`;
    if (isReserved(file.path))
      throw new SetProblem(
        'duplicate',
        label,
        `${file.origin}: the names ${HOOK_ENTRY}, ${GUARDS} and ${APPLICATIONS} are used by Fathom; rename it`,
      );
    const { hash, text } = await readServed(file, label, MAX_HOOK_BYTES);
    hooks.push({ ...file, label, sha256: hash, text });
  }
  return hooks;
}

/**
 * Opens a file that is no link: a link of an application could lead to a file of Fathom.
 *
 * @throws the error of open(2), or an Error whose message is the reason
 */
export async function openServed(origin: string) {
  const file = await open(origin, constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOFOLLOW).catch(
    (error: unknown) => {
      throw systemErrorCode(error) === 'ELOOP' ? new Error('it is a symbolic link') : error;
    },
  );
  if ((await file.stat()).isFile()) return file;
  await file.close();
  throw new Error('it is not a file');
}

/** Whether unknown paths are answered with a page. */
export function hasPage(files: readonly Pick<ServedFile, 'path'>[]): boolean {
  return files.some(({ path }) => path === 'public/index.html');
}

/** Whether PocketBase loads a file below `hooks`. */
export function isHook(path: string): boolean {
  return HOOK.test(path) && !path.includes('/');
}

function isReserved(path: string): boolean {
  return [HOOK_ENTRY, GUARDS, APPLICATIONS].includes(path.split('/')[0] ?? '');
}

/** The hooks that register something, in the order in which they are loaded. */
export function loadedHooks(files: readonly ServedFile[]): string[] {
  const start = `hooks/${APPLICATIONS}/`;
  return files.filter(({ path }) => path.startsWith(start)).map(({ path }) => path.slice('hooks/'.length));
}

async function listServed(directory: string, shown?: string): Promise<TreeFile[]> {
  const stats = await lstat(directory).catch(() => null);
  if (stats?.isSymbolicLink() === true)
    throw unreadable(directory, new Error('it is a symbolic link'), directory);
  return listTree(directory, shown);
}

/** Reads a file for its hash. Only hooks are small enough to keep their text. */
async function readServed(
  { origin }: TreeFile,
  label: string,
  maxBytes: number,
): Promise<{ hash: string; text: string }> {
  const hash = createHash('sha256');
  const keepsText = maxBytes === MAX_HOOK_BYTES;
  const chunks: Buffer[] = [];
  let size = 0;
  try {
    await using file = await openServed(origin);
    for await (const chunk of file.createReadStream({ end: maxBytes, autoClose: false })) {
      hash.update(chunk as Buffer);
      size += (chunk as Buffer).length;
      if (keepsText) chunks.push(chunk as Buffer);
    }
    if (size > maxBytes) throw new Error(`it is larger than ${maxBytes} bytes`);
  } catch (error) {
    throw unreadable(origin, error, label);
  }
  return { hash: hash.digest('hex'), text: Buffer.concat(chunks).toString('utf8') };
}
