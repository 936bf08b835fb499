import { randomUUID } from 'node:crypto';
import { type IncomingMessage, type ServerResponse, STATUS_CODES } from 'node:http';
import type { Socket } from 'node:net';
import type { FastifyError, FastifyReply, FastifyRequest } from 'fastify';
import { hasZodFastifySchemaValidationErrors } from 'fastify-type-provider-zod';
import { ClientResponseError } from 'pocketbase';
import { ERROR_CODES, type ErrorCode, FathomError } from '../../shared/errors.ts';
import type { Problem } from '../../shared/protocol.ts';
import { RateLimitedError } from '../accounts/sign-in/sign-in-limits.ts';
import { fieldsOf } from '../control-plane/client.ts';
import { detailFor } from './public-words.ts';

const CODE_OF_STATUS: Readonly<Record<number, ErrorCode>> = {
  404: 'not_found',
  405: 'request.method_not_allowed',
  413: 'request.too_large',
  415: 'request.unsupported_type',
  429: 'rate_limited',
};

/** Anything thrown, as an error with a code. What is nobody's business to know is told as `internal`. */
export function toFathomError(error: unknown): FathomError {
  if (error instanceof FathomError) return error;
  if (hasZodFastifySchemaValidationErrors(error)) {
    return new FathomError('request.invalid', 'the request does not match the schema', {
      cause: error,
      fields: error.validation.map(({ instancePath, message }) => ({
        path: instancePath.replace(/^\//, '').replaceAll('/', '.') || '(body)',
        message: message ?? 'is not valid',
      })),
    });
  }
  if (error instanceof ClientResponseError) {
    const fields = fieldsOf(error.response['data']).map(({ path, message }) => `${path}: ${message}`);
    const why = [error.status, ...fields].join('; ');
    return new FathomError(
      'control_plane.unavailable',
      `the global PocketBase could not do this (${why}); 'fathomd databases list' says whether it can store anything, 'fathomd logs global' more`,
      {
        cause: error,
      },
    );
  }
  const { statusCode, message } = (error ?? {}) as FastifyError;
  if (statusCode !== undefined && statusCode >= 400 && statusCode < 500) {
    return new FathomError(CODE_OF_STATUS[statusCode] ?? 'request.invalid', message, { cause: error });
  }
  return new FathomError('internal', 'something went wrong in the daemon; its log has the details', {
    cause: error,
  });
}

/** In the form that the route declares: the lifecycle API has one of its own. */
export function sendError(error: FathomError, request: FastifyRequest, reply: FastifyReply): FastifyReply {
  if (request.routeOptions.config.errorForm !== 'lifecycle') return sendProblem(error, request, reply);
  return reply
    .code(error.status)
    .headers(headersOf(error))
    .type('application/json')
    .serializer(JSON.stringify)
    .send({ success: false, message: `Process error: ${detailFor(request.caller, error)}`, instance: null });
}

/** RFC 9457. */
export function sendProblem(error: FathomError, request: FastifyRequest, reply: FastifyReply): FastifyReply {
  const problem: Problem = {
    type: 'about:blank',
    title: ERROR_CODES[error.code].title,
    status: error.status,
    detail: detailFor(request.caller, error),
    code: error.code,
    request_id: request.id,
    ...(error.fields.length > 0 ? { errors: [...error.fields] } : {}),
  };
  return reply
    .code(error.status)
    .headers({ ...headersOf(error), 'x-request-id': request.id })
    .type('application/problem+json')
    .serializer(JSON.stringify)
    .send(problem);
}

/** What a client reads beside the body of an error. */
function headersOf(error: FathomError): Record<string, string> {
  if (error instanceof RateLimitedError) return { 'retry-after': String(error.retryAfterS) };
  if (error.code === 'daemon.starting') return { 'retry-after': '1' };
  if (error.status === 401) return { 'www-authenticate': 'Bearer' };
  return error.code === 'request.unsupported_type' ? { accept: 'application/json' } : {};
}

/** By what Node says of bytes that became no request. */
const REFUSALS: Readonly<Record<string, { status: number; detail: string }>> = {
  HPE_HEADER_OVERFLOW: { status: 431, detail: 'the headers of the request are too large' },
  ERR_HTTP_REQUEST_TIMEOUT: { status: 408, detail: 'the request did not arrive in time' },
};

/** Answers what is not HTTP, is too large, or too slow, and closes the connection. */
export function refuseConnection(error: { code?: string }, socket: Socket): void {
  if (error.code === 'ECONNRESET' || !socket.writable) {
    socket.destroy();
    return;
  }
  const refusal = REFUSALS[error.code ?? ''];
  const { status, detail } = refusal ?? { status: 400, detail: 'this is not a request of HTTP' };
  socket.end(rawProblem(status, invalid(status, detail)));
}

/** Answers a request whose header Expect names something other than 100-continue. */
export function refuseExpectation(request: IncomingMessage, response: ServerResponse): void {
  const detail = `'Expect: ${request.headers.expect}' cannot be met; leave it out`;
  response
    .writeHead(417, { 'content-type': 'application/problem+json', connection: 'close' })
    .end(JSON.stringify(invalid(417, detail)));
}

function invalid(status: number, detail: string): Problem {
  const { title } = ERROR_CODES['request.invalid'];
  return { type: 'about:blank', title, status, detail, code: 'request.invalid', request_id: randomUUID() };
}

/** An answer for a connection that is no request of Fastify's. */
export function rawProblem(status: number, problem: object): string {
  const body = JSON.stringify(problem);
  return (
    `HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\nContent-Type: application/problem+json\r\n` +
    `Content-Length: ${Buffer.byteLength(body)}\r\nConnection: close\r\n\r\n${body}`
  );
}
