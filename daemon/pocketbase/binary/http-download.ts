import { messageOf } from '../../../shared/errors.ts';
import { isSafeAddress } from '../../config/release-source.ts';

export interface DownloadBounds {
  maxBytes: number;
  timeoutMs: number;
  signal?: AbortSignal | undefined;
}

/**
 * Downloads a file of limited size, over https or from this host.
 *
 * @returns null when the server answers 404
 * @throws Error whose message is the reason
 */
export async function download(
  url: string,
  { maxBytes, timeoutMs, signal }: DownloadBounds,
): Promise<Uint8Array | null> {
  const timeout = AbortSignal.timeout(timeoutMs);
  const response = await fetch(url, {
    signal: signal === undefined ? timeout : AbortSignal.any([timeout, signal]),
  }).catch((error: unknown) => {
    throw new Error(reasonOf(error), { cause: error });
  });
  if (response.status === 404) return null;
  if (!isSafeAddress(response.url)) throw new Error(`it leads to ${response.url}, which is not https`);
  if (!response.ok || response.body === null) throw new Error(`the server answers ${response.status}`);
  const chunks: Uint8Array[] = [];
  let size = 0;
  try {
    for await (const chunk of response.body) {
      size += chunk.length;
      if (size > maxBytes) throw new Error(`it is larger than ${maxBytes} bytes`);
      chunks.push(chunk);
    }
  } catch (error) {
    throw new Error(`the download ended after ${size} bytes: ${reasonOf(error)}`, { cause: error });
  }
  return Buffer.concat(chunks);
}

/** The reason of an error of fetch is in its cause, which may have a code but no message. */
function reasonOf(error: unknown): string {
  const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
  const code = cause instanceof Error && 'code' in cause ? String(cause.code) : '';
  return messageOf(cause) || code;
}
