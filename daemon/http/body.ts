import type { FastifyRequest } from 'fastify';
import { FathomError } from '../../shared/errors.ts';
import { isNestedDeeperThan, MAX_JSON_DEPTH } from '../../shared/json-depth.ts';
import type { Api } from './serve.ts';

/** The payload of a task has the greatest depth, and is inside other JSON. */
const MAX_BODY_DEPTH = MAX_JSON_DEPTH + 16;

/** Names of UTF-8 and its subset ASCII; JSON has no other encoding (RFC 8259). */
const CHARSETS: ReadonlySet<string> = new Set(['utf-8', 'utf8', 'us-ascii']);

/**
 * Accepts JSON bodies only. An empty body of any type counts as no body, because many clients name a type without sending
 * anything. The schema of the route decides whether a body is required.
 */
export function acceptJsonBodies(app: Api): void {
  const parseJson = app.getDefaultJsonParser('error', 'error');
  app.removeAllContentTypeParsers();
  app.addContentTypeParser('application/json', { parseAs: 'string' }, (request, body: string, done) => {
    if (body === '') done(null, undefined);
    else if (!CHARSETS.has(charsetOf(request))) done(unsupported(request), undefined);
    // Before the parser, which takes much longer for deep JSON.
    else if (isNestedDeeperThan(body, MAX_BODY_DEPTH)) done(tooDeep(), undefined);
    else void parseJson(request, body, done);
  });
  app.addContentTypeParser('*', (request, _payload, done) => {
    done(isEmpty(request) ? null : unsupported(request), undefined);
  });
}

function tooDeep(): FathomError {
  return new FathomError('request.invalid', `the JSON is nested more than ${MAX_BODY_DEPTH} levels deep`);
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
    `the body has ${type === undefined ? 'no Content-Type' : `the Content-Type '${type}'`}; send JSON in UTF-8 as 'application/json'`,
  );
}
