import type { IncomingMessage, Server } from 'node:http';
import type { Socket } from 'node:net';
import { networkOf } from '../../accounts/sign-in/sign-in-limits.ts';
import { blockListOf } from '../../config/limits.ts';
import { isIn, normalizeAddress } from '../client-address.ts';
import { type ConnectionLimits, ConnectionTable } from './connection-table.ts';

/**
 * Limits the open connections of a server. Connections of trusted proxies and of other nodes are shared by many clients: the requests that they
 * forward are counted by client instead (`limitRequests`).
 */
export function limitConnections(
  server: Server,
  {
    trustedProxies,
    isNode,
    ...limits
  }: ConnectionLimits & { trustedProxies: readonly string[]; isNode: (address: string) => boolean },
): void {
  const table = new ConnectionTable(limits);
  const trusted = blockListOf(trustedProxies);
  const requests = new WeakMap<Socket, IncomingMessage>();
  const upgraded = new WeakSet<Socket>();
  server.on('request', (request, response) => {
    requests.set(request.socket, request);
    response.once('close', () => requests.delete(request.socket));
  });
  server.on('upgrade', ({ socket }) => upgraded.add(socket));
  server.on('connection', (socket) => {
    const address = normalizeAddress(socket.remoteAddress ?? '');
    const network = networkOf(address);
    const connection = {
      // A request that is still arriving does not count: a client could send it slowly on purpose.
      isIdle: () => !upgraded.has(socket) && requests.get(socket)?.complete !== true,
      close: () => void socket.destroy(),
    };
    if (!table.add(network, connection, isIn(trusted, address) || isNode(address))) {
      socket.destroy();
      return;
    }
    socket.once('close', () => table.remove(network, connection));
  });
}
