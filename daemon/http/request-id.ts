import { randomUUID } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import { blockListOf } from '../config/limits.ts';
import { isIn, normalizeAddress } from './client-address.ts';

/** UUIDs, hexadecimal numbers, ULIDs, and traces with separators. It is written to logs and answers as it is. */
const ID = /^[A-Za-z0-9][A-Za-z0-9._:-]{7,127}$/;

/** Makes the id of each request. One of TRUSTED_PROXIES can set it by X-Request-Id, so that its log has the same. */
export function requestIds(trustedProxies: readonly string[]): (request: IncomingMessage) => string {
  const trusted = blockListOf(trustedProxies);
  return ({ headers, socket }) => {
    const given = headers['x-request-id'];
    const isKept =
      typeof given === 'string' &&
      ID.test(given) &&
      isIn(trusted, normalizeAddress(socket.remoteAddress ?? ''));
    return isKept ? given : randomUUID();
  };
}
