import { connect } from 'node:net';
import { WebSocket } from 'ws';
import type { Target } from './http.ts';

// Not imported from protocol.ts, which loads zod. A test compares the two.
const SUBPROTOCOL = 'fathom.v1';

/**
 * Opens a connection to the daemon's stream.
 *
 * @throws Error if the address is invalid
 */
export function openSocket({
  target,
  token,
  role,
}: {
  target: Target;
  token?: string | undefined;
  role?: string | undefined;
}): WebSocket {
  const headers = {
    ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
    ...(role === undefined ? {} : { 'fathom-role': role }),
  };
  if ('url' in target) return new WebSocket(streamUrl(target.url), SUBPROTOCOL, { headers });
  const path = target.socketPath;
  // A `ws+unix:` address would split the path at its first colon.
  return new WebSocket('ws://localhost/ws', SUBPROTOCOL, { headers, createConnection: () => connect(path) });
}

function streamUrl(address: string): string {
  const url = new URL(address);
  url.protocol = url.protocol === 'https:' || url.protocol === 'wss:' ? 'wss:' : 'ws:';
  url.pathname = `${url.pathname.replace(/\/$/, '')}/ws`;
  return url.href;
}
