import { connect } from 'node:net';
import { type ClientOptions, WebSocket } from 'ws';
import type { HttpClientOptions } from './http.ts';
import type { SocketListener, StreamSocket } from './stream-connection.ts';
import { endingOfClose, endingOfError, endingOfStatus } from './stream-link.ts';
import { STREAM_SUBPROTOCOL, streamUrl } from './stream-url.ts';

/**
 * Opens a connection to the daemon's stream, for programs. Browsers use `openWebSocket`.
 *
 * @throws Error if the address is invalid
 */
export function openSocket(
  { target, token, role }: Pick<HttpClientOptions, 'target' | 'token' | 'role'>,
  listener: SocketListener,
): StreamSocket {
  const headers = {
    ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
    ...(role === undefined ? {} : { 'fathom-role': role }),
  };
  // A `ws+unix:` address would split the path at its first colon.
  const [address, options]: [string, ClientOptions] =
    'url' in target
      ? [streamUrl(target.url).href, {}]
      : ['ws://localhost/ws', { createConnection: () => connect(target.socketPath) }];
  const socket = new WebSocket(address, STREAM_SUBPROTOCOL, { headers, ...options });
  socket.on('open', () => listener.opened());
  // Always a buffer: no other binary type is set.
  socket.on('message', (data) => listener.received((data as Buffer).toString('utf8')));
  socket.on('close', (code, reason) => listener.ended(endingOfClose(code, reason.toString())));
  socket.on('error', (error) => listener.ended(endingOfError(error)));
  socket.on('unexpected-response', (request, response) => {
    response.resume();
    request.destroy();
    listener.ended(endingOfStatus(response.statusCode ?? 0, token !== undefined));
  });
  return {
    get isOpen() {
      return socket.readyState === WebSocket.OPEN;
    },
    send: (text) => socket.send(text, () => {}),
    close(code) {
      if (code === undefined || socket.readyState !== WebSocket.OPEN) socket.terminate();
      else socket.close(code);
    },
  };
}
