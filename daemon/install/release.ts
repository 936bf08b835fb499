import { createHash } from 'node:crypto';
import {
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  readlink,
  rename,
  rm,
  symlink,
  writeFile,
} from 'node:fs/promises';
import { join } from 'node:path';
import { FathomError, messageOf } from '../../shared/errors.ts';
import { run } from './host.ts';
import { CURRENT, PREVIOUS, RELEASES } from './layout.ts';

/** Written into a release when it is placed: the hash over everything else in there. */
const CONTENT_FILE = '.content';

export interface Release {
  /** The folder's name in `/opt/fathom`. */
  name: string;
  version: string;
}

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
export async function unpack(tarball: string): Promise<Release> {
  await using incoming = await incomingDirectory();
  try {
    await run('tar', ['-xzf', tarball, '-C', incoming.path, '--strip-components=1', '--no-same-owner']);
  } catch (error) {
    const next = "name a tarball of 'npm pack'";
    throw new FathomError('conflict', `${tarball} cannot be unpacked: ${messageOf(error)}; ${next}`);
  }
  const identity = await identify(incoming.path);
  if (!identity.there) await place(incoming.path, identity);
  return identity;
}

/** Puts a package that is unpacked already where releases lie. @throws FathomError `conflict` */
export async function copyOf(root: string): Promise<Release> {
  const identity = await identify(root);
  if (identity.there) return identity;
  await using incoming = await incomingDirectory();
  await run('cp', ['-r', '--preserve=mode,timestamps,links', `${root}/.`, incoming.path]);
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

/** Where a release is put together; whatever is left in there is removed. */
async function incomingDirectory(): Promise<AsyncDisposable & { path: string }> {
  await mkdir(RELEASES, { recursive: true, mode: 0o755 });
  const path = await mkdtemp(join(RELEASES, '.incoming-'));
  return { path, [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true }) };
}

/** It is whole before it has its name. */
async function place(incoming: string, { name, content }: Identity): Promise<void> {
  // Whoever unpacked it may have had a narrow umask; the service reads it as another user.
  await run('chmod', ['-R', 'u+rwX,go+rX,go-w', incoming]);
  await writeFile(join(incoming, CONTENT_FILE), content);
  // What lies there under this name is no whole release.
  await rm(join(RELEASES, name), { recursive: true, force: true });
  await rename(incoming, join(RELEASES, name));
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

/** The release that a link names; null when there is none. */
export async function linked(link: typeof CURRENT | typeof PREVIOUS): Promise<Release | null> {
  const name = await readlink(link).catch(() => null);
  if (name === null) return null;
  const manifest = JSON.parse(await readFile(join(RELEASES, name, 'package.json'), 'utf8')) as {
    version: string;
  };
  return { name, version: manifest.version };
}

/** In one step: there is no moment without the link. */
export async function pointTo(link: typeof CURRENT | typeof PREVIOUS, { name }: Release): Promise<void> {
  const next = `${link}.next`;
  await rm(next, { force: true });
  await symlink(name, next);
  await rename(next, link);
}

/** Removes all but the current release and the one before. */
export async function prune(): Promise<void> {
  const keep = [(await linked(CURRENT))?.name ?? null, (await linked(PREVIOUS))?.name ?? null];
  for (const name of superfluous(await releases(), keep)) {
    await rm(join(RELEASES, name), { recursive: true, force: true });
  }
}
