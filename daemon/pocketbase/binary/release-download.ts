import { FathomError, messageOf } from '../../../shared/errors.ts';
import { sha256Of } from './executable-hash.ts';

/** One directory for each version, such as `v0.40.1`. */
export const OFFICIAL_RELEASES = 'https://github.com/pocketbase/pocketbase/releases/download';

const CHECKSUMS = { maxBytes: 64 * 1024, timeoutMs: 30_000 };
/** An archive has 16 MB. On a connection that needs more time, `--from` a local copy is the better way. */
const ARCHIVE = { maxBytes: 128 * 1024 * 1024, timeoutMs: 600_000 };

/** The names of processors in PocketBase's releases, by Node's names. */
const ARCHITECTURES: Readonly<Record<string, string>> = { x64: 'amd64', arm64: 'arm64' };

/**
 * Downloads the archive of a release for a processor, and verifies its SHA-256 with the release's `checksums.txt`.
 *
 * @param from a URL with the same layout as `OFFICIAL_RELEASES`
 * @param arch a value of `process.arch`
 * @throws FathomError `not_found`, `binary.download`, `binary.unusable`
 */
export async function downloadRelease(version: string, from: string, arch: string): Promise<Uint8Array> {
  const release = `${from}/v${version}`;
  const checksums = await download(`${release}/checksums.txt`, CHECKSUMS, () => {
    throw new FathomError(
      'not_found',
      `cannot find PocketBase ${version} at ${from}; choose a version from https://github.com/pocketbase/pocketbase/releases`,
    );
  });
  const name = `pocketbase_${version}_linux_${ARCHITECTURES[arch] ?? arch}.zip`;
  const expected = checksumOf(name, Buffer.from(checksums).toString('utf8'));
  if (expected === null) {
    throw new FathomError(
      'not_found',
      `PocketBase ${version} has no ${name} in its checksums.txt; build PocketBase for this processor and set PB_BINARY_PATH to it`,
    );
  }
  const url = `${release}/${name}`;
  const archive = await download(url, ARCHIVE, () => {
    throw downloadFailed(url, 'the server answers 404, although checksums.txt lists the file');
  });
  const sha256 = sha256Of(archive);
  if (sha256 === expected) return archive;
  throw new FathomError(
    'binary.unusable',
    `${url} has the SHA-256 ${sha256}, but checksums.txt has ${expected}; nothing was installed. Try again; if it fails again, do not use this file`,
  );
}

/** The checksum of a file in the output of sha256sum(1); null when it is not listed. */
export function checksumOf(name: string, checksums: string): string | null {
  for (const line of checksums.split('\n')) {
    const [sha256, file] = line.trim().split(/\s+\*?/);
    if (file === name && sha256 !== undefined && /^[0-9a-f]{64}$/.test(sha256)) return sha256;
  }
  return null;
}

async function download(
  url: string,
  { maxBytes, timeoutMs }: { maxBytes: number; timeoutMs: number },
  missing: () => never,
): Promise<Uint8Array> {
  const signal = AbortSignal.timeout(timeoutMs);
  const response = await fetch(url, { signal }).catch((error: unknown) => {
    throw downloadFailed(url, reasonOf(error), error);
  });
  if (response.status === 404) return missing();
  if (!response.ok || response.body === null)
    throw downloadFailed(url, `the server answers ${response.status}`);
  const chunks: Uint8Array[] = [];
  let size = 0;
  try {
    for await (const chunk of response.body) {
      size += chunk.length;
      if (size > maxBytes) throw new Error(`it is larger than ${maxBytes} bytes`);
      chunks.push(chunk);
    }
  } catch (error) {
    throw downloadFailed(url, `the download ended after ${size} bytes: ${reasonOf(error)}`, error);
  }
  return Buffer.concat(chunks);
}

/** The reason of an error of fetch is in its cause, which may have a code but no message. */
function reasonOf(error: unknown): string {
  const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
  const code = cause instanceof Error && 'code' in cause ? String(cause.code) : '';
  return messageOf(cause) || code;
}

function downloadFailed(url: string, why: string, cause?: unknown): FathomError {
  const remedy =
    "nothing was installed. Try again, name a copy of PocketBase's releases with --from, or copy the executable to this host and set PB_BINARY_PATH to it";
  return new FathomError('binary.download', `cannot download ${url}: ${why}; ${remedy}`, { cause });
}
