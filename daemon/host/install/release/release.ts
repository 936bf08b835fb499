import { createHash, randomUUID } from 'node:crypto';
import { copyFile, mkdir, mkdtemp, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { FathomError, messageOf } from '../../../../shared/errors.ts';
import { compareVersions } from '../../../../shared/version.ts';
import { exists } from '../../../base/files/dir.ts';
import { syncDirectory } from '../../../base/files/replace-file.ts';
import { run } from '../host.ts';
import { CURRENT, FALLBACK, PREVIOUS, RELEASES } from './layout.ts';
import { type Release, readLink } from './links.ts';
import { readReleaseKeys, verifySignature } from './signature.ts';

/** A file in each complete release: the hash of all other files. */
const CONTENT_FILE = '.content';
/** Prefix of directories that are incomplete: being added or removed. */
const INCOMPLETE = '.unfinished-';

/**
 * The name of a release: its version, and a part of its hash when the same version is stored with other content.
 *
 * @param stored hash of each stored release, by name
 */
export function releaseName(version: string, content: string, stored: ReadonlyMap<string, string>): string {
  const other = stored.get(version);
  return other === undefined || other === content ? version : `${version}-${content.slice(0, 8)}`;
}

/** The releases that no link names. */
export function unusedReleases(stored: readonly string[], linked: readonly (string | null)[]): string[] {
  return stored.filter((name) => !linked.includes(name));
}

export interface UnpackOptions {
  /** The installed version. */
  installed: string;
  allowUnsigned: boolean;
  allowDowngrade: boolean;
  signal: AbortSignal;
}

/**
 * Verifies a tarball of `npm pack` and unpacks it into the directory of releases. Nothing of it is unpacked or executed
 * before its signature is verified.
 *
 * @throws FathomError `conflict`
 */
export async function unpackRelease(tarball: string, options: UnpackOptions): Promise<Release> {
  const { signal, installed, allowUnsigned, allowDowngrade } = options;
  await using received = await createIncomingDirectory();
  // A copy that only root can change: the file could be replaced after it is verified.
  const copy = join(received.path, 'release.tgz');
  await copyTarball(tarball, copy);
  const signedVersion = allowUnsigned ? null : await verifyTarball(tarball, copy);
  const check = (version: string): void => {
    if (!allowDowngrade) refuseDowngrade(version, installed);
  };
  if (signedVersion !== null) check(signedVersion);
  await using incoming = await createIncomingDirectory();
  try {
    // Without setuid bits and owners of the tarball.
    const flags = ['--strip-components=1', '--no-same-owner', '--no-same-permissions'];
    await run('tar', ['-xzf', copy, '-C', incoming.path, ...flags], { signal });
  } catch (error) {
    if (signal.aborted) throw error;
    throw new FathomError(
      'conflict',
      `cannot unpack ${tarball}: ${messageOf(error)}; use a tarball of 'npm pack'`,
    );
  }
  const { version } = await readManifest(incoming.path);
  if (signedVersion !== null && version !== signedVersion) {
    throw new FathomError(
      'conflict',
      `the signature of ${tarball} is for version ${signedVersion}, but it contains version ${version}; download both again`,
    );
  }
  check(version);
  const identity = await identifyPackage(incoming.path);
  if (!identity.isStored) await storeRelease(incoming.path, identity);
  return identity;
}

async function copyTarball(tarball: string, copy: string): Promise<void> {
  try {
    if (!(await stat(tarball)).isFile()) throw new Error('it is not a file');
    await copyFile(tarball, copy);
  } catch (error) {
    throw new FathomError('conflict', `cannot read ${tarball}: ${messageOf(error)}; check the path`, {
      cause: error,
    });
  }
}

/** @returns the signed version */
async function verifyTarball(tarball: string, copy: string): Promise<string> {
  const file = `${tarball}.minisig`;
  const signature = await readFile(file, 'utf8').catch((error: unknown) => {
    throw new FathomError(
      'conflict',
      `cannot read the signature ${file}: ${messageOf(error)}; download it beside the tarball, or pass --allow-unsigned for a tarball that you built`,
      { cause: error },
    );
  });
  return verifySignature(copy, signature, await readReleaseKeys());
}

/** An old release that is signed can have known vulnerabilities. */
function refuseDowngrade(version: string, installed: string): void {
  if (compareVersions(version, installed) >= 0) return;
  throw new FathomError(
    'conflict',
    `the tarball has version ${version}, which is older than the installed ${installed}; run 'fathomd rollback' to go back, or pass --allow-downgrade`,
  );
}

/** Copies an unpacked package into the directory of releases. @throws FathomError `conflict` */
export async function copyRelease(root: string, signal: AbortSignal): Promise<Release> {
  const identity = await identifyPackage(root);
  if (identity.isStored) return identity;
  await using incoming = await createIncomingDirectory();
  await run('cp', ['-r', '--preserve=mode,timestamps,links', `${root}/.`, incoming.path], { signal });
  await storeRelease(incoming.path, identity);
  return identity;
}

interface Identity extends Release {
  content: string;
  /** Whether a stored release has this name and content. */
  isStored: boolean;
}

async function identifyPackage(directory: string): Promise<Identity> {
  const version = await verifyPackage(directory);
  const [content, stored] = await Promise.all([hashContents(directory), readStoredHashes()]);
  const name = releaseName(version, content, stored);
  return { name, version, content, isStored: stored.get(name) === content };
}

/** A temporary directory for a new release. Disposing it removes what is left in it. */
async function createIncomingDirectory(): Promise<AsyncDisposable & { path: string }> {
  await mkdir(RELEASES, { recursive: true, mode: 0o755 });
  const path = await mkdtemp(join(RELEASES, INCOMPLETE));
  return { path, [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true }) };
}

/** Completes a release and renames it to its final name. */
async function storeRelease(incoming: string, { name, content }: Identity): Promise<void> {
  // The package may have been unpacked with a restrictive umask. The service account reads these files.
  await run('chmod', ['-R', 'u+rwX,go+rX,go-w', incoming]);
  await writeFile(join(incoming, CONTENT_FILE), content);
  // Sync before the rename: after a power failure, a release with a final name must be complete.
  await run('sync', ['--file-system', incoming]);
  // A stored release of this name has other content, so it is damaged.
  await removeRelease(name);
  await rename(incoming, join(RELEASES, name));
  await syncDirectory(RELEASES);
}

/** Checks that a package is Fathom and runs on this host. @returns its version */
async function verifyPackage(directory: string): Promise<string> {
  try {
    const manifest = await readManifest(directory);
    if (manifest.name !== 'fathom') throw new Error('the name of the package is not fathom');
    const version = (await run(join(directory, 'bin', 'fathomd'), ['--version'])).trim();
    if (version !== manifest.version) throw new Error(`its program reports version '${version}'`);
    return version;
  } catch (error) {
    throw new FathomError(
      'conflict',
      `this is not a release of Fathom that runs on this host: ${messageOf(error)}; build one with 'npm pack'`,
    );
  }
}

async function readManifest(directory: string): Promise<{ name: unknown; version: string }> {
  try {
    const text = await readFile(join(directory, 'package.json'), 'utf8');
    const { name, version } = JSON.parse(text) as Record<string, unknown>;
    if (typeof version !== 'string') throw new Error('it has no version');
    return { name, version };
  } catch (error) {
    throw new FathomError(
      'conflict',
      `cannot read the package.json of the release: ${messageOf(error)}; use a tarball of 'npm pack'`,
      { cause: error },
    );
  }
}

/** SHA-256 of the paths and contents of all files. */
async function hashContents(directory: string): Promise<string> {
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

/** The hash of each stored release, by name. */
async function readStoredHashes(): Promise<Map<string, string>> {
  const hashes = new Map<string, string>();
  for (const name of await listReleases()) {
    hashes.set(name, await readFile(join(RELEASES, name, CONTENT_FILE), 'utf8').catch(() => ''));
  }
  return hashes;
}

async function listReleases(): Promise<string[]> {
  const entries = await readdir(RELEASES, { withFileTypes: true }).catch(() => []);
  return entries
    .filter((entry) => entry.isDirectory() && !entry.name.startsWith('.'))
    .map(({ name }) => name);
}

/** Removes releases that no link names, and incomplete directories. */
export async function removeUnusedReleases(): Promise<void> {
  const kept = await Promise.all([readLink(CURRENT), readLink(PREVIOUS), readLink(FALLBACK)]);
  const names = kept.map((release) => release?.name ?? null);
  for (const name of unusedReleases(await listReleases(), names)) await removeRelease(name);
  const incomplete = (await readdir(RELEASES)).filter((name) => name.startsWith(INCOMPLETE));
  // After its parent was killed, a tar can still write into the directory for a moment.
  const options = { recursive: true, force: true, maxRetries: 10, retryDelay: 200 };
  for (const name of incomplete) await rm(join(RELEASES, name), options);
}

/** Renames the release first, so that a directory with the name of a release is always complete. */
async function removeRelease(name: string): Promise<void> {
  const path = join(RELEASES, name);
  if (!(await exists(path))) return;
  const removed = join(RELEASES, `${INCOMPLETE}${randomUUID()}`);
  await rename(path, removed);
  await rm(removed, { recursive: true, force: true });
}
