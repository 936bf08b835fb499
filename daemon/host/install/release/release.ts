import { createHash, randomUUID } from 'node:crypto';
import { mkdir, mkdtemp, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { FathomError, messageOf } from '../../../../shared/errors.ts';
import { exists } from '../../../base/files/dir.ts';
import { syncDirectory } from '../../../base/files/replace-file.ts';
import { run } from '../host.ts';
import { CURRENT, FALLBACK, PREVIOUS, RELEASES } from './layout.ts';
import { linked, type Release } from './links.ts';

/** Written into a release when it is placed: the hash over everything else in there. */
const CONTENT_FILE = '.content';
/** How the names of directories begin that are no release yet, or not any more. */
const UNFINISHED = '.unfinished-';

/** The version; followed by a piece of its hash where the same version is there with other content. */
export function releaseName(version: string, content: string, there: ReadonlyMap<string, string>): string {
  const other = there.get(version);
  return other === undefined || other === content ? version : `${version}-${content.slice(0, 8)}`;
}

/** What is neither run nor needed for the way back. */
export function superfluous(there: readonly string[], keep: readonly (string | null)[]): string[] {
  return there.filter((name) => !keep.includes(name));
}

/** Unpacks a tarball made by `npm pack` and puts it where releases lie. @throws FathomError `conflict` */
export async function unpack(tarball: string, signal: AbortSignal): Promise<Release> {
  await using incoming = await incomingDirectory();
  try {
    const options = ['--strip-components=1', '--no-same-owner'];
    await run('tar', ['-xzf', tarball, '-C', incoming.path, ...options], { signal });
  } catch (error) {
    if (signal.aborted) throw error;
    const next = "name a tarball of 'npm pack'";
    throw new FathomError('conflict', `${tarball} cannot be unpacked: ${messageOf(error)}; ${next}`);
  }
  const identity = await identify(incoming.path);
  if (!identity.there) await place(incoming.path, identity);
  return identity;
}

/** Puts a package that is unpacked already where releases lie. @throws FathomError `conflict` */
export async function copyOf(root: string, signal: AbortSignal): Promise<Release> {
  const identity = await identify(root);
  if (identity.there) return identity;
  await using incoming = await incomingDirectory();
  await run('cp', ['-r', '--preserve=mode,timestamps,links', `${root}/.`, incoming.path], { signal });
  await place(incoming.path, identity);
  return identity;
}

interface Identity extends Release {
  content: string;
  /** Whether that very release is in place already. */
  there: boolean;
}

async function identify(directory: string): Promise<Identity> {
  const version = await provenVersion(directory);
  const [content, there] = await Promise.all([contentOf(directory), contents()]);
  const name = releaseName(version, content, there);
  return { name, version, content, there: there.get(name) === content };
}

/** A temporary directory for a new release; its remaining files are removed. */
async function incomingDirectory(): Promise<AsyncDisposable & { path: string }> {
  await mkdir(RELEASES, { recursive: true, mode: 0o755 });
  const path = await mkdtemp(join(RELEASES, UNFINISHED));
  return { path, [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true }) };
}

/** Gives a release its name once all of its files are there. */
async function place(incoming: string, { name, content }: Identity): Promise<void> {
  // It may have been unpacked with a narrow umask; the service reads it as another user.
  await run('chmod', ['-R', 'u+rwX,go+rX,go-w', incoming]);
  await writeFile(join(incoming, CONTENT_FILE), content);
  // On the disk before it has its name: a power cut must not leave empty files under it.
  await run('sync', ['--file-system', incoming]);
  // What has this name already is an incomplete release.
  await discard(name);
  await rename(incoming, join(RELEASES, name));
  await syncDirectory(RELEASES);
}

/** It is Fathom, and it runs on this host: said by itself. */
async function provenVersion(directory: string): Promise<string> {
  try {
    const manifest = JSON.parse(await readFile(join(directory, 'package.json'), 'utf8')) as Record<
      string,
      unknown
    >;
    if (manifest['name'] !== 'fathom') throw new Error('the package is not fathom');
    const version = (await run(join(directory, 'bin', 'fathomd'), ['--version'])).trim();
    if (version !== manifest['version']) throw new Error(`it says it is version '${version}'`);
    return version;
  } catch (error) {
    throw new FathomError(
      'conflict',
      `this is no release of Fathom that runs here: ${messageOf(error)}; make one with 'npm pack'`,
    );
  }
}

/** SHA-256 over the paths and contents of all files. */
async function contentOf(directory: string): Promise<string> {
  const entries = await readdir(directory, { recursive: true, withFileTypes: true });
  const files = entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
  const hash = createHash('sha256');
  for (const file of files.toSorted()) {
    const path = file.slice(directory.length + 1);
    if (path === CONTENT_FILE) continue;
    hash.update(`${path}\0`);
    hash.update(await readFile(file));
  }
  return hash.digest('hex');
}

/** By name, the content of every release that is there. */
async function contents(): Promise<Map<string, string>> {
  const all = new Map<string, string>();
  for (const name of await releases()) {
    all.set(name, await readFile(join(RELEASES, name, CONTENT_FILE), 'utf8').catch(() => ''));
  }
  return all;
}

async function releases(): Promise<string[]> {
  const entries = await readdir(RELEASES, { withFileTypes: true }).catch(() => []);
  return entries
    .filter((entry) => entry.isDirectory() && !entry.name.startsWith('.'))
    .map(({ name }) => name);
}

/** Removes all releases but those that a link names, and what was left half made or half removed. */
export async function prune(): Promise<void> {
  const kept = await Promise.all([linked(CURRENT), linked(PREVIOUS), linked(FALLBACK)]);
  const names = kept.map((release) => release?.name ?? null);
  for (const name of superfluous(await releases(), names)) await discard(name);
  const left = (await readdir(RELEASES)).filter((name) => name.startsWith(UNFINISHED));
  // A tar whose parent was killed may still write into it for a while.
  const patient = { recursive: true, force: true, maxRetries: 10, retryDelay: 200 };
  for (const name of left) await rm(join(RELEASES, name), patient);
}

/** It loses its name first, so that what has one is always whole. */
async function discard(name: string): Promise<void> {
  const path = join(RELEASES, name);
  if (!(await exists(path))) return;
  const doomed = join(RELEASES, `${UNFINISHED}${randomUUID()}`);
  await rename(path, doomed);
  await rm(doomed, { recursive: true, force: true });
}
