import { messageOf } from '../../../shared/errors.ts';
import { isSafeAddress } from '../../config/release-source.ts';

export interface DownloadBounds {
  maxBytes: number;
  timeoutMs: number;
  signal?: AbortSignal | undefined;
  /** The longest time without data. */
  silenceMs?: number;
}

/** A server that sends nothing for so long is given up. */
const SILENCE_MS = 30_000;
const MAX_REDIRECTS = 5;
const REDIRECTS: ReadonlySet<number> = new Set([301, 302, 303, 307, 308]);

/**
 * Downloads a file of limited size, over https or from this host.
 *
 * @returns null when the server answers 404
 * @throws Error whose message is the reason
 */
export async function download(
  url: string,
  { maxBytes, timeoutMs, signal, silenceMs = SILENCE_MS }: DownloadBounds,
): Promise<Uint8Array | null> {
  const silence = new AbortController();
  const timer = setTimeout(
    () => silence.abort(new Error(`the server sent nothing for ${silenceMs / 1000} s`)),
    silenceMs,
  );
  const signals = [AbortSignal.timeout(timeoutMs), silence.signal, ...(signal ? [signal] : [])];
  try {
    const response = await followRedirects(url, AbortSignal.any(signals));
    if (response.status === 404) return null;
    if (!response.ok || response.body === null) throw new Error(`the server answers ${response.status}`);
    return await readBody(response.body, maxBytes, () => timer.refresh());
  } finally {
    clearTimeout(timer);
  }
}

/** Sends no request to an address that is not safe: who answers it could lead back to a safe one. */
async function followRedirects(url: string, signal: AbortSignal): Promise<Response> {
  let address = url;
  for (let count = 0; count <= MAX_REDIRECTS; count += 1) {
    if (!isSafeAddress(address)) throw new Error(`it leads to ${address}, which is not https`);
    const response = await fetch(address, { signal, redirect: 'manual' }).catch((error: unknown) => {
      throw new Error(reasonOf(error), { cause: error });
    });
    const location = response.headers.get('location');
    if (!REDIRECTS.has(response.status) || location === null) return response;
    await response.body?.cancel();
    address = URL.parse(location, address)?.href ?? location;
  }
  throw new Error(`it redirects more than ${MAX_REDIRECTS} times`);
}

async function readBody(
  body: ReadableStream<Uint8Array>,
  maxBytes: number,
  onData: () => void,
): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  try {
    for await (const chunk of body) {
      onData();
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
