import { createServer, type RequestListener, type Server } from 'node:http';
import { UNAVAILABLE_STATUS, type Unavailable } from './unavailable.ts';

const HEADERS_TIMEOUT_MS = 5_000;
const REQUEST_TIMEOUT_MS = 30_000;
const MAX_CONNECTIONS = 100;

/** Answers requests to a database that has no process, in the error format of PocketBase. */
export function startUnavailableServer(socket: number, problem: () => Unavailable): Server {
  const server = createServer({
    headersTimeout: HEADERS_TIMEOUT_MS,
    requestTimeout: REQUEST_TIMEOUT_MS,
    keepAlive: false,
  });
  server.maxConnections = MAX_CONNECTIONS;
  const answer: RequestListener = (request, response) => {
    // Pages of any origin may read the reason, as they may read responses of PocketBase.
    response.setHeader('Access-Control-Allow-Origin', '*');
    response.setHeader('Access-Control-Expose-Headers', 'Retry-After');
    response.setHeader('Connection', 'close');
    if (request.method === 'OPTIONS') {
      response.setHeader('Access-Control-Allow-Methods', 'GET,HEAD,PUT,PATCH,POST,DELETE');
      response.setHeader(
        'Access-Control-Allow-Headers',
        request.headers['access-control-request-headers'] ?? '*',
      );
      response.writeHead(204).end();
      return;
    }
    // A response before the end of the body would be lost with the connection.
    request.resume().once('end', () => {
      const { code, message, retryAfterS } = problem();
      response.writeHead(UNAVAILABLE_STATUS, {
        'Content-Type': 'application/json',
        'Cache-Control': 'no-store',
        ...(retryAfterS === null ? {} : { 'Retry-After': String(retryAfterS) }),
      });
      response.end(
        JSON.stringify({ status: UNAVAILABLE_STATUS, message, data: { database: { code, message } } }),
      );
    });
  };
  // The default answer to an odd Expect header would not have the reason.
  server.on('request', answer).on('checkExpectation', answer);
  server.listen({ fd: socket });
  return server;
}
