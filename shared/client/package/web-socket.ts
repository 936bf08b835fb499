import type { Ticket } from '../../api/accounts/auth.ts';
import { FathomError, messageOf } from '../../errors.ts';
import type { SocketListener, StreamSocket } from '../stream-connection.ts';
import { type Ending, endingOfClose } from '../stream-link.ts';
import { STREAM_SUBPROTOCOL, streamUrl } from '../stream-url.ts';

const OPEN = 1;

/** The part of a browser's WebSocket that the stream uses. */
interface WebSocketLike {
  readonly readyState: number;
  send(text: string): void;
  close(code?: number): void;
  addEventListener(type: 'open', listener: () => void): void;
  addEventListener(type: 'message', listener: (event: { data: unknown }) => void): void;
  addEventListener(type: 'close', listener: (event: { code: number; reason: string }) => void): void;
  addEventListener(type: 'error', listener: () => void): void;
}

export type WebSocketConstructor = new (url: string, protocol: string) => WebSocketLike;

/** Opens a connection to the stream. Browsers send no header with it, so it opens with a ticket. */
export function openWebSocket(
  {
    base,
    ticket,
    WebSocket,
  }: { base: string; ticket: () => Promise<Ticket>; WebSocket: WebSocketConstructor },
  listener: SocketListener,
): StreamSocket {
  let socket: WebSocketLike | null = null;
  let isClosed = false;
  const open = async (): Promise<void> => {
    const url = streamUrl(base);
    url.searchParams.set('ticket', (await ticket()).ticket);
    if (isClosed) return;
    const opened = new WebSocket(url.href, STREAM_SUBPROTOCOL);
    socket = opened;
    opened.addEventListener('open', () => listener.opened());
    opened.addEventListener('message', ({ data }) => listener.received(String(data)));
    opened.addEventListener('close', ({ code, reason }) => listener.ended(endingOfClose(code, reason)));
    // A close follows. Without a listener, the one of `ws` would throw.
    opened.addEventListener('error', () => {});
  };
  open().catch((error: unknown) => listener.ended(endingOfTicket(error)));
  return {
    get isOpen() {
      return socket?.readyState === OPEN;
    },
    send: (text) => socket?.send(text),
    close(code) {
      isClosed = true;
      socket?.close(code);
    },
  };
}

function endingOfTicket(error: unknown): Ending {
  const status = error instanceof FathomError ? error.status : 0;
  return { final: status === 401 || status === 403, signIn: status === 401, reason: messageOf(error) };
}
