import { FathomError, messageOf } from '../../../shared/errors.ts';
import { sha256Of } from './executable-hash.ts';

/** Each version in a directory of its own, `v0.40.1`. */
export const OFFICIAL_RELEASES = 'https://github.com/pocketbase/pocketbase/releases/download';

const CHECKSUMS = { maxBytes: 64 * 1024, timeoutMs: 30_000 };
/** They have 16 MB; a line that takes longer than this is better served by a copy. */
const ARCHIVE = { maxBytes: 128 * 1024 * 1024, timeoutMs: 600_000 };

/** Node's names of processors, and those of PocketBase's releases. */
const ARCHITECTURES: Readonly<Record<string, string>> = { x64: 'amd64', arm64: 'arm64' };

/**
 * The archive of a release for this processor, proven by the SHA-256 that the release's `checksums.txt` has for it.
 *
 * @param from an address that has what `OFFICIAL_RELEASES` has
 * @param arch as `process.arch`
 * @throws FathomError `not_found`, `binary.download`, `binary.unusable`
 */
export async function downloadRelease(version: string, from: string, arch: string): Promise<Uint8Array> {
  const release = `${from}/v${version}`;
  const checksums = await download(`${release}/checksums.txt`, CHECKSUMS, () => {
    throw new FathomError(
      'not_found',
      `there is no PocketBase ${version} at ${from}; https://github.com/pocketbase/pocketbase/releases lists the versions`,
    );
  });
  const name = `pocketbase_${version}_linux_${ARCHITECTURES[arch] ?? arch}.zip`;
  const expected = checksumOf(name, Buffer.from(checksums).toString('utf8'));
  if (expected === null) {
    throw new FathomError(
      'not_found',
      `PocketBase ${version} has no ${name} in its checksums.txt; build it for this processor, and set PB_BINARY_PATH to it`,
    );
  }
  const url = `${release}/${name}`;
  const archive = await download(url, ARCHIVE, () => {
    throw unavailable(url, 'it is in checksums.txt, but not there (404)');
  });
  const sha256 = sha256Of(archive);
  if (sha256 === expected) return archive;
  throw new FathomError(
    'binary.unusable',
    `${url} is not what was released: its SHA-256 is ${sha256}, checksums.txt says ${expected}; nothing was installed. Try again; if it stays so, do not use it`,
  );
}

/** Pure. Lines as of sha256sum(1). */
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
    throw unavailable(url, reasonOf(error), error);
  });
  if (response.status === 404) return missing();
  if (!response.ok || response.body === null) throw unavailable(url, `it answers ${response.status}`);
  const pieces: Uint8Array[] = [];
  let size = 0;
  try {
    for await (const piece of response.body) {
      size += piece.length;
      if (size > maxBytes) throw new Error(`more than ${maxBytes} bytes`);
      pieces.push(piece);
    }
  } catch (error) {
    throw unavailable(url, `it broke off after ${size} bytes: ${reasonOf(error)}`, error);
  }
  return Buffer.concat(pieces);
}

/** What fetch throws names the reason in its cause, and some of those have no text. */
function reasonOf(error: unknown): string {
  const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
  const code = cause instanceof Error && 'code' in cause ? String(cause.code) : '';
  return messageOf(cause) || code;
}

function unavailable(url: string, why: string, cause?: unknown): FathomError {
  const next =
    "nothing was installed. Try again, name a copy of PocketBase's releases with --from, or bring the executable here yourself and set PB_BINARY_PATH to it";
  return new FathomError('binary.download', `${url} cannot be downloaded: ${why}; ${next}`, { cause });
}
