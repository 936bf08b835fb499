import type { FastifyRequest } from 'fastify';
import { FathomError } from '../../shared/errors.ts';
import type { Api } from './api.ts';

/** What JSON in UTF-8 may be called; RFC 8259 knows no other encoding. */
const CHARSETS: ReadonlySet<string> = new Set(['utf-8', 'utf8', 'us-ascii']);

/**
 * Bodies are JSON. An empty one is none, of whatever type: many clients name a type without sending anything. Whether
 * there has to be one, the schema of the route says.
 */
export function readBodies(app: Api): void {
  const parseJson = app.getDefaultJsonParser('error', 'error');
  app.removeAllContentTypeParsers();
  app.addContentTypeParser('application/json', { parseAs: 'string' }, (request, body: string, done) => {
    if (body === '') done(null, undefined);
    else if (!CHARSETS.has(charsetOf(request))) done(unsupported(request), undefined);
    else void parseJson(request, body, done);
  });
  app.addContentTypeParser('*', (request, _payload, done) => {
    done(isEmpty(request) ? null : unsupported(request), undefined);
  });
}

function charsetOf(request: FastifyRequest): string {
  const type = request.headers['content-type'] ?? '';
  return /;\s*charset\s*=\s*"?([^\s";]+)/i.exec(type)?.[1]?.toLowerCase() ?? 'utf-8';
}

function isEmpty({ headers }: FastifyRequest): boolean {
  return headers['transfer-encoding'] === undefined && Number(headers['content-length'] ?? 0) === 0;
}

function unsupported(request: FastifyRequest): FathomError {
  const type = request.headers['content-type'];
  return new FathomError(
    'request.unsupported_type',
    `the body is ${type === undefined ? 'of no type' : `'${type}'`}; send JSON in UTF-8 as 'Content-Type: application/json'`,
  );
}
