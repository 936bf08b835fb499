import { resolve } from 'node:path';
import { type AdvisoryList, advisoryListSchema } from '../../../shared/api/pocketbase.ts';
import { FathomError, messageOf } from '../../../shared/errors.ts';
import { readLimited } from '../../base/files/read-limited.ts';
import { isSafeAddress } from '../../config/release-source.ts';
import { download } from '../binary/http-download.ts';
import { KNOWN_ADVISORIES } from './known-advisories.ts';

const MAX_BYTES = 1024 * 1024;
const TIMEOUT_MS = 30_000;

/**
 * Reads and validates a list of advisories that is at least as new as the one of this release.
 *
 * @param source an https address (http only on this host), or the path of a file
 * @param cwd the directory of a relative path
 * @throws FathomError `request.invalid` with the reason
 */
export async function readAdvisoryList(source: string, cwd: string): Promise<AdvisoryList> {
  const content = await readSource(source, cwd);
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(content));
  } catch (error) {
    throw unusableList(source, `it is not JSON (${messageOf(error)})`, error);
  }
  const result = advisoryListSchema.safeParse(value);
  if (!result.success) {
    const [issue] = result.error.issues;
    throw unusableList(source, `${issue?.path.join('.') || 'the list'}: ${issue?.message ?? 'is not valid'}`);
  }
  const { updated } = result.data;
  if (updated < KNOWN_ADVISORIES.updated)
    throw unusableList(
      source,
      `it is of ${updated}, older than the ${KNOWN_ADVISORIES.updated} of this release`,
    );
  return result.data;
}

async function readSource(source: string, cwd: string): Promise<Uint8Array> {
  if (!source.includes('://')) {
    const path = resolve(cwd, source);
    return readLimited(path, MAX_BYTES).catch((error: unknown) => {
      throw unusableList(path, messageOf(error), error);
    });
  }
  if (!isSafeAddress(source)) throw unusableList(source, 'it must be an https address or the path of a file');
  const content = await download(source, { maxBytes: MAX_BYTES, timeoutMs: TIMEOUT_MS }).catch(
    (error: unknown) => {
      throw unusableList(source, messageOf(error), error);
    },
  );
  if (content === null) throw unusableList(source, 'the server answers 404');
  return content;
}

function unusableList(source: string, why: string, cause?: unknown): FathomError {
  return new FathomError(
    'request.invalid',
    `cannot use the list of advisories ${source}: ${why}; its format is that of 'fathomd pocketbase advisories --json'`,
    { cause },
  );
}
