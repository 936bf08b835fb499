// Not imported from protocol.ts, which loads zod. A test compares the two.
export const STREAM_SUBPROTOCOL = 'fathom.v1';

/** @param address of the daemon, with or without a slash at its end */
export function streamUrl(address: string): URL {
  const url = new URL(address);
  url.protocol = url.protocol === 'https:' || url.protocol === 'wss:' ? 'wss:' : 'ws:';
  url.pathname = `${url.pathname.replace(/\/$/, '')}/ws`;
  return url;
}
