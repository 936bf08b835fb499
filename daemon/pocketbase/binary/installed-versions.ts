import { mkdtemp, open, readdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { unzipSync } from 'fflate';
import { FathomError, messageOf } from '../../../shared/errors.ts';
import { makePrivateDir } from '../../base/files/dir.ts';
import { withFileLock } from '../../base/files/file-lock.ts';
import { syncDirectory, writeAndClose } from '../../base/files/replace-file.ts';
import type { ReleaseSource } from '../../config/release-source.ts';
import { tooOldProblem } from '../advisories/assess-releases.ts';
import { type Binary, hashRecordOf, verifyBinary } from './binary.ts';
import { sha256Of } from './executable-hash.ts';
import { describeSource, getRelease, noSourceError, SourceError } from './release-sources.ts';

const EXECUTABLE = 'pocketbase';
const INCOMING = '.incoming-';
const MAX_EXECUTABLE_BYTES = 512 * 1024 * 1024;

/** The directory of installed versions, with one directory for each. */
function versionsDir(dataDir: string): string {
  return join(dataDir, 'pocketbase');
}

export function executableOf(dataDir: string, version: string): string {
  return join(versionsDir(dataDir), version, EXECUTABLE);
}

/** The paths of installed executables by version. */
export async function installedVersions(dataDir: string): Promise<Map<string, string>> {
  const entries = await readdir(versionsDir(dataDir), { withFileTypes: true }).catch(
    (error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return [];
      throw new FathomError(
        'data_dir.unusable',
        `cannot read ${versionsDir(dataDir)} (${error.message}); run this as root, or as the user that runs fathomd`,
        { cause: error },
      );
    },
  );
  const versions = entries.filter((entry) => entry.isDirectory() && !entry.name.startsWith('.'));
  return new Map(versions.map(({ name }) => [name, executableOf(dataDir, name)]));
}

export interface InstallOptions {
  dataDir: string;
  /** In the order in which they are tried. */
  sources: readonly ReleaseSource[];
  /** A value of `process.arch`. */
  arch: string;
  signal?: AbortSignal;
  /** Called before a source is tried, and after it failed. */
  onProgress?: (line: string) => void;
}

/**
 * Gets a release from the first source that has it, and installs it. It is verified before it runs, and is moved into place
 * only when it is complete, so an interrupted installation leaves no version behind.
 *
 * @throws FathomError `not_found`, `binary.download`, `binary.unusable`, `data_dir.unusable`
 */
export async function installVersion(
  version: string,
  options: InstallOptions,
): Promise<{ binary: Binary; already: boolean }> {
  const { dataDir } = options;
  const path = executableOf(dataDir, version);
  const tooOld = tooOldProblem(version);
  if (tooOld !== null)
    throw new FathomError('binary.unusable', `${tooOld}; nothing was installed. Choose a newer version`);
  const installed = await verifyInstalled(path, version);
  if (installed !== null) return { binary: installed, already: true };
  const content = await getExecutable(version, options);
  const directory = versionsDir(dataDir);
  await makePrivateDir(dataDir);
  await makePrivateDir(directory);
  const lock = join(directory, '.lock');
  return withFileLock(lock, async () => {
    // Another command may have installed it in the meantime.
    if ((await verifyInstalled(path, version)) === null) await installExecutable(content, version, dataDir);
    return { binary: await verifyBinary(path), already: false };
  });
}

/** The executable of a release, from the first source that has it. */
async function getExecutable(
  version: string,
  { sources, arch, signal, onProgress }: InstallOptions,
): Promise<Uint8Array> {
  const problems: { source: ReleaseSource; problem: SourceError }[] = [];
  for (const source of sources) {
    onProgress?.(`looking for PocketBase ${version} at ${describeSource(source)}`);
    try {
      return executableIn((await getRelease(version, source, { arch, signal })).archive);
    } catch (problem) {
      if (!(problem instanceof SourceError)) throw problem;
      problems.push({ source, problem });
      onProgress?.(`${describeSource(source)}: ${problem.message}`);
    }
  }
  throw noSourceError(version, problems);
}

/** The caller holds the lock. */
async function installExecutable(content: Uint8Array, version: string, dataDir: string): Promise<void> {
  const directory = versionsDir(dataDir);
  // Left behind by a command that was killed.
  for (const name of await readdir(directory)) {
    if (name.startsWith(INCOMING)) await rm(join(directory, name), { recursive: true, force: true });
  }
  const incoming = await mkdtemp(join(directory, INCOMING));
  try {
    const path = join(incoming, EXECUTABLE);
    const record = hashRecordOf(path);
    await writeAndClose(await open(path, 'wx', 0o700), content);
    await writeAndClose(await open(record, 'wx', 0o600), `${sha256Of(content)}  ${EXECUTABLE}\n`);
    await checkVersion(path, version);
    await syncDirectory(incoming);
    const target = join(directory, version);
    // An existing directory is incomplete or damaged.
    await rm(target, { recursive: true, force: true });
    await rename(incoming, target);
    await syncDirectory(directory);
  } finally {
    await rm(incoming, { recursive: true, force: true });
  }
}

/** Null when the executable is missing, or differs from the installed one. */
async function verifyInstalled(path: string, version: string): Promise<Binary | null> {
  try {
    const binary = await verifyBinary(path);
    return binary.version === version ? binary : null;
  } catch (error) {
    if (error instanceof FathomError && error.code === 'binary.unusable') return null;
    throw error;
  }
}

function executableIn(archive: Uint8Array): Uint8Array {
  let content: Uint8Array | undefined;
  try {
    content = unzipSync(archive, {
      filter: ({ name, originalSize }) => name === EXECUTABLE && originalSize <= MAX_EXECUTABLE_BYTES,
    })[EXECUTABLE];
  } catch (error) {
    throw new SourceError('wrong', `its archive cannot be opened (${messageOf(error)})`, error);
  }
  if (content === undefined)
    throw new SourceError('wrong', `its archive contains no '${EXECUTABLE}' of a valid size`);
  return content;
}

async function checkVersion(path: string, version: string): Promise<void> {
  const found = await verifyBinary(path).catch((error: unknown) => {
    throw unusableRelease(
      version,
      `it does not run here, perhaps because the file system is mounted noexec (${messageOf(error)})`,
      error,
    );
  });
  if (found.version !== version) throw unusableRelease(version, `its own version is ${found.version}`);
}

function unusableRelease(version: string, why: string, cause?: unknown): FathomError {
  const message = `cannot use the release of PocketBase ${version}: ${why}; nothing was installed. Choose another version`;
  return new FathomError('binary.unusable', message, { cause });
}
