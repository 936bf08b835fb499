/**
 * Frees the memory of a large buffer now. Without it, V8 keeps the memory until it collects, and it marks its whole heap after
 * each 64 MB of buffers. The buffer has no bytes then, so only its owner may call this, when no write of it is in progress.
 */
export function freeBuffer({ buffer }: Uint8Array): void {
  // Node takes small buffers from one that it shares.
  if (buffer.byteLength > Buffer.poolSize && buffer instanceof ArrayBuffer) buffer.transfer(0);
}
