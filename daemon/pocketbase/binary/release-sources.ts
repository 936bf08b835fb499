import { stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { FathomError, messageOf } from '../../../shared/errors.ts';
import { exists } from '../../base/files/dir.ts';
import { readLimited } from '../../base/files/read-limited.ts';
import { packageRoot } from '../../base/package.ts';
import type { ReleaseSource } from '../../config/release-source.ts';
import { sha256Of } from './executable-hash.ts';
import { type DownloadBounds, download } from './http-download.ts';

/** One directory for each version, such as `v0.40.6`. */
const OFFICIAL_RELEASES = 'https://github.com/pocketbase/pocketbase/releases/download';
/** For readers. */
const RELEASES_PAGE = 'https://github.com/pocketbase/pocketbase/releases';

const CHECKSUMS_FILE = 'checksums.txt';
const CHECKSUMS = { maxBytes: 64 * 1024, timeoutMs: 30_000 };
/** An archive has 16 MB. On a connection that needs more time, a local copy is the better way. */
const ARCHIVE = { maxBytes: 128 * 1024 * 1024, timeoutMs: 600_000 };

/** The names of processors in PocketBase's releases, by Node's names. */
const ARCHITECTURES: Readonly<Record<string, string>> = { x64: 'amd64', arm64: 'arm64' };

/**
 * The sources in their order: releases that are part of this package, then those of the setting.
 *
 * @param configured the sources of the setting; empty for the default
 */
export async function releaseSources(configured: readonly ReleaseSource[]): Promise<ReleaseSource[]> {
  const packed = join(packageRoot(), 'pocketbase');
  return [...((await exists(packed)) ? [{ path: packed }] : []), ...officialIfEmpty(configured)];
}

/** The sources of the setting, or else the releases of PocketBase. */
export function officialIfEmpty(configured: readonly ReleaseSource[]): readonly ReleaseSource[] {
  return configured.length === 0 ? [{ url: OFFICIAL_RELEASES }] : configured;
}

export function describeSource(source: ReleaseSource): string {
  return 'url' in source ? source.url : source.path;
}

/** The name of the archive of a release. @param arch a value of `process.arch` */
export function archiveName(version: string, arch: string): string {
  return `pocketbase_${version}_linux_${ARCHITECTURES[arch] ?? arch}.zip`;
}

/**
 * Why a source does not have a release. `absent`: it does not know it. `unreachable`: it does not answer, or not completely.
 * `wrong`: what it has must not be used.
 */
export class SourceError extends Error {
  override readonly name = 'SourceError';
  readonly kind: 'absent' | 'unreachable' | 'wrong';

  constructor(kind: SourceError['kind'], message: string, cause?: unknown) {
    super(message, { cause });
    this.kind = kind;
  }
}

export interface Release {
  archive: Uint8Array;
  /** The line of `checksums.txt`. */
  checksum: string;
}

/**
 * Gets the archive of a release from one source, and verifies it with the source's `checksums.txt`.
 *
 * @throws SourceError
 */
export async function getRelease(
  version: string,
  source: ReleaseSource,
  { arch, signal }: { arch: string; signal?: AbortSignal | undefined },
): Promise<Release> {
  const name = archiveName(version, arch);
  const read =
    'url' in source ? fromUrl(`${source.url}/v${version}`) : await fromPath(source.path, version, name);
  const checksums = await read(CHECKSUMS_FILE, { ...CHECKSUMS, signal });
  if (checksums === null) throw new SourceError('absent', `it has no ${CHECKSUMS_FILE} of ${version}`);
  const expected = checksumOf(name, Buffer.from(checksums).toString('utf8'));
  if (expected === null) throw new SourceError('absent', `its ${CHECKSUMS_FILE} does not list ${name}`);
  const archive = await read(name, { ...ARCHIVE, signal });
  if (archive === null)
    throw new SourceError('unreachable', `${name} is missing, although ${CHECKSUMS_FILE} lists it`);
  const sha256 = sha256Of(archive);
  if (sha256 === expected) return { archive, checksum: `${expected}  ${name}\n` };
  throw new SourceError(
    'wrong',
    `the SHA-256 of ${name} is ${sha256}, but ${CHECKSUMS_FILE} has ${expected}; do not use this file`,
  );
}

/** A line of sha256sum(1), also with `--tag`. Some programs write a byte order mark or uppercase digits. */
const CHECKSUM_LINE =
  /^\uFEFF?(?:(?<sha256>[0-9a-f]{64})\s+\*?(?<file>\S+)|SHA256 \((?<taggedFile>\S+)\) = (?<tagged>[0-9a-f]{64}))$/i;

/** The checksum of a file in the output of sha256sum(1); null when it is not listed. */
export function checksumOf(name: string, checksums: string): string | null {
  for (const line of checksums.split('\n')) {
    const { sha256, file, tagged, taggedFile } = CHECKSUM_LINE.exec(line.trim())?.groups ?? {};
    const listed = file ?? taggedFile;
    if (listed === name || listed === `./${name}`) return (sha256 ?? tagged ?? '').toLowerCase();
  }
  return null;
}

/** @param problems why each source does not have the release, in their order */
export function noSourceError(
  version: string,
  problems: readonly { source: ReleaseSource; problem: SourceError }[],
): FathomError {
  const reasons = problems.map(({ source, problem }) => `${describeSource(source)}: ${problem.message}`);
  const kinds = new Set(problems.map(({ problem }) => problem.kind));
  const code = kinds.has('wrong')
    ? 'binary.unusable'
    : kinds.has('unreachable')
      ? 'binary.download'
      : 'not_found';
  const remedy =
    code === 'not_found'
      ? `choose a version from ${RELEASES_PAGE}, or name another source with --from`
      : `try again, name another source with --from (a mirror, a directory, or an archive beside its ${CHECKSUMS_FILE}), or copy the executable to this host and set PB_BINARY_PATH to it`;
  return new FathomError(
    code,
    `cannot get PocketBase ${version}: ${reasons.join('; ')}; nothing was installed; ${remedy}`,
    { cause: problems.at(-1)?.problem },
  );
}

/** Reads a file beside the others of a release; null when it is missing. */
type ReadFile = (name: string, bounds: DownloadBounds) => Promise<Uint8Array | null>;

function fromUrl(release: string): ReadFile {
  return async (name, bounds) => {
    try {
      return await download(`${release}/${name}`, bounds);
    } catch (error) {
      throw new SourceError('unreachable', `cannot download ${name}: ${messageOf(error)}`, error);
    }
  };
}

/** A directory with the layout of the official releases, or with the files of one release; or the archive itself. */
async function fromPath(path: string, version: string, archive: string): Promise<ReadFile> {
  const found = await stat(path).catch((error: unknown) => {
    throw new SourceError('unreachable', messageOf(error), error);
  });
  if (!found.isDirectory()) {
    if (basename(path) !== archive) throw new SourceError('absent', `its name is not ${archive}`);
    return inDirectory(dirname(path));
  }
  const ofVersion = join(path, `v${version}`);
  return inDirectory((await exists(ofVersion)) ? ofVersion : path);
}

function inDirectory(directory: string): ReadFile {
  return async (name, { maxBytes }) => {
    try {
      return await readLimited(join(directory, name), maxBytes);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
      throw new SourceError('unreachable', `cannot read ${name}: ${messageOf(error)}`, error);
    }
  };
}
