import type { IncomingMessage } from 'node:http';
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
  app.addHook('preParsing', (request, reply, _payload, done) => {
    const encoding = request.headers['content-encoding'];
    if (encoding === undefined || encoding.toLowerCase() === 'identity' || isEmpty(request)) return done();
    // Names what a client can send (RFC 9110), for this cause of 415 only.
    void reply.header('accept-encoding', 'identity');
    done(
      new FathomError(
        'request.unsupported_type',
        `the body has the Content-Encoding '${encoding}'; send it without compression`,
      ),
    );
  });
  app.addContentTypeParser('application/json', { parseAs: 'string' }, (request, body: string, done) => {
    if (body === '') done(null, undefined);
    else if (!CHARSETS.has(charsetOf(request))) done(unsupported(request), undefined);
    // Before the parser, which takes much longer for deep JSON.
    else if (isNestedDeeperThan(body, MAX_BODY_DEPTH)) done(tooDeep(), undefined);
    else
      void parseJson(request, body, (error, value) => {
        const key = error === null ? null : forbiddenKeyOf(body);
        done(key === null ? error : forbidden(key), value);
      });
  });
  app.addContentTypeParser('*', (request, _payload, done) => {
    done(isEmpty(request) ? null : unsupported(request), undefined);
  });
}

/** Of a body that is refused, to read before the response; larger and slower ones may see a reset connection. */
const MAX_REST_BYTES = 16 * 1024 * 1024;
const MAX_REST_MS = 2_000;

/**
 * Reads the rest of a body before a refusal is sent. The kernel resets a connection that is closed with unread data, so the
 * client could see an error of its socket (EPIPE, ECONNRESET) in place of the response.
 */
export function readRefusedBodies(app: Api): void {
  app.addHook('onSend', async (request, reply) => {
    if (reply.statusCode < 400 || request.raw.complete || isEmpty(request)) return;
    // Fastify closes the connection after an error of the body, which may not have arrived.
    if (await readRest(request.raw)) reply.removeHeader('connection');
  });
}

/** Returns whether the request has arrived completely. */
function readRest(request: IncomingMessage): Promise<boolean> {
  return new Promise((resolve) => {
    let bytes = 0;
    const finish = () => {
      clearTimeout(timer);
      request.off('data', count).off('end', finish).off('close', finish);
      resolve(request.complete);
    };
    const count = (chunk: Buffer) => {
      bytes += chunk.length;
      if (bytes > MAX_REST_BYTES) finish();
    };
    const timer = setTimeout(finish, MAX_REST_MS);
    request.on('data', count).once('end', finish).once('close', finish).resume();
  });
}

function tooDeep(): FathomError {
  return new FathomError('request.invalid', `the JSON is nested more than ${MAX_BODY_DEPTH} levels deep`);
}

/** The key for which the parser refuses valid JSON; null for JSON that is not valid. */
function forbiddenKeyOf(body: string): string | null {
  const found: string[] = [];
  try {
    JSON.parse(body, (key, value: unknown) => {
      const isPrototype =
        key === 'constructor' && typeof value === 'object' && value !== null && 'prototype' in value;
      if (key === '__proto__' || isPrototype) found.push(key);
      return value;
    });
  } catch {
    return null;
  }
  return found[0] ?? null;
}

function forbidden(key: string): FathomError {
  const name = key === 'constructor' ? 'constructor.prototype' : key;
  return new FathomError(
    'request.invalid',
    `the JSON has the key '${name}', which is not allowed; rename it`,
  );
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
