import type { Ending } from './stream-link.ts';

/** One WebSocket to a daemon. */
export interface StreamSocket {
  readonly isOpen: boolean;
  send(text: string): void;
  /** Closes in order with a code. Without one, or before it is open, the connection ends at once. */
  close(code?: number): void;
}

/** What happens to a socket. Nothing is called before the socket was returned. */
export interface SocketListener {
  opened(): void;
  received(text: string): void;
  ended(ending: Ending): void;
}

/** @throws Error if the address is invalid */
export type OpenSocket = (listener: SocketListener) => StreamSocket;
