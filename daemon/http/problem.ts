import { randomUUID } from 'node:crypto';
import { type IncomingMessage, type ServerResponse, STATUS_CODES } from 'node:http';
import type { Socket } from 'node:net';
import type { FastifyError, FastifyReply, FastifyRequest } from 'fastify';
import { hasZodFastifySchemaValidationErrors } from 'fastify-type-provider-zod';
import { ClientResponseError } from 'pocketbase';
import type { Problem } from '../../shared/api/contract/endpoint.ts';
import { ERROR_CODES, type ErrorCode, FathomError } from '../../shared/errors.ts';
import { isDiskFull } from '../base/files/dir.ts';
import { fieldsOf } from '../control-plane/client.ts';
import type { Caller } from './caller.ts';
import { fieldErrorsOf } from './field-errors.ts';
import { redactDetail } from './redact.ts';

const CODE_OF_STATUS: Readonly<Record<number, ErrorCode>> = {
  404: 'not_found',
  405: 'request.method_not_allowed',
  413: 'request.too_large',
  415: 'request.unsupported_type',
  429: 'rate_limited',
};

/** Converts any thrown value to an error with a code. Unknown errors are reported as `internal`. */
export function toFathomError(error: unknown): FathomError {
  if (error instanceof FathomError) return error;
  if (hasZodFastifySchemaValidationErrors(error)) {
    return new FathomError('request.invalid', 'the request does not match the schema', {
      cause: error,
      fields: fieldErrorsOf(error.validation, error.validationContext),
    });
  }
  if (error instanceof ClientResponseError) {
    const fields = fieldsOf(error.response['data']).map(({ path, message }) => `${path}: ${message}`);
    const reason = [error.status, ...fields].join('; ');
    return new FathomError(
      'control_plane.unavailable',
      `the global PocketBase refused the request (${reason}); check 'fathomd databases list' and 'fathomd logs global'`,
      { cause: error },
    );
  }
  const { statusCode, message } = (error ?? {}) as FastifyError;
  if (statusCode !== undefined && statusCode >= 400 && statusCode < 500) {
    return new FathomError(CODE_OF_STATUS[statusCode] ?? 'request.invalid', message, { cause: error });
  }
  const detail = isDiskFull(error)
    ? "the disk of the host is full; free some space ('fathomd databases usage' shows the largest databases), then try again"
    : 'the request failed in the daemon; its log has the cause';
  return new FathomError('internal', detail, { cause: error });
}

/** How a failed request is logged; null for a mistake of the client. Every start has requests that are too early. */
export function logLevelOf({ code, status }: FathomError): 'error' | 'info' | null {
  if (code === 'daemon.starting' || code === 'database.failed') return 'info';
  // The state of the database is the cause, and is reported where it changes.
  if (code === 'database.unavailable' || code === 'database.full') return null;
  return status >= 500 ? 'error' : null;
}

/** Sends an error in the form that the route declares: RFC 9457, or the one of the lifecycle API. */
export function sendError(error: FathomError, request: FastifyRequest, reply: FastifyReply): FastifyReply {
  if (request.routeOptions.config.errorForm !== 'lifecycle') return sendProblem(error, request, reply);
  return reply
    .code(error.status)
    .headers(headersOf(error))
    .type('application/json')
    .serializer(JSON.stringify)
    .send({
      success: false,
      message: `Process error: ${redactDetail(request.caller, error)}`,
      instance: null,
    });
}

/** Sends an error as problem details (RFC 9457). */
export function sendProblem(error: FathomError, request: FastifyRequest, reply: FastifyReply): FastifyReply {
  const problem = problemOf(error, request.caller, request.id);
  return reply
    .code(error.status)
    .headers({ ...headersOf(error), 'x-request-id': request.id })
    .type('application/problem+json')
    .serializer(JSON.stringify)
    .send(problem);
}

function problemOf(error: FathomError, caller: Caller | null, requestId: string): Problem {
  return {
    type: 'about:blank',
    title: ERROR_CODES[error.code].title,
    status: error.status,
    detail: redactDetail(caller, error),
    code: error.code,
    request_id: requestId,
    ...(error.fields.length > 0 ? { errors: [...error.fields] } : {}),
  };
}

/** Formats the response to an upgrade that fails, which Fastify does not handle. */
export function formatRefusal(error: FathomError): string {
  const problem = problemOf(error, null, randomUUID());
  return formatProblemResponse(error.status, problem, {
    ...headersOf(error),
    'x-request-id': problem.request_id,
  });
}

/** Returns the headers of an error. */
function headersOf(error: FathomError): Record<string, string> {
  if (error.retryAfterS !== null) return { 'retry-after': String(error.retryAfterS) };
  if (error.code === 'daemon.starting') return { 'retry-after': '1' };
  if (error.status === 401) return { 'www-authenticate': 'Bearer' };
  return error.code === 'request.unsupported_type' ? { accept: 'application/json' } : {};
}

/** Responses by Node's code for input that is not a complete request. */
const REFUSALS: Readonly<Record<string, { status: number; detail: string }>> = {
  HPE_HEADER_OVERFLOW: { status: 431, detail: 'the headers of the request are too large' },
  ERR_HTTP_REQUEST_TIMEOUT: { status: 408, detail: 'the request did not arrive in time' },
};

/** Responds to input that is not HTTP, too large or too slow, and closes the connection. */
export function refuseConnection(error: { code?: string }, socket: Socket): void {
  if (error.code === 'ECONNRESET' || !socket.writable) {
    socket.destroy();
    return;
  }
  const refusal = REFUSALS[error.code ?? ''];
  const { status, detail } = refusal ?? { status: 400, detail: 'this is not an HTTP request' };
  socket.end(formatProblemResponse(status, invalid(status, detail)));
}

/** Responds to a request whose header Expect is not 100-continue. */
export function refuseExpectation(request: IncomingMessage, response: ServerResponse): void {
  const detail = `'Expect: ${request.headers.expect}' is not supported; leave it out`;
  response
    .writeHead(417, { 'content-type': 'application/problem+json', connection: 'close' })
    .end(JSON.stringify(invalid(417, detail)));
}

function invalid(status: number, detail: string): Problem {
  const { title } = ERROR_CODES['request.invalid'];
  return { type: 'about:blank', title, status, detail, code: 'request.invalid', request_id: randomUUID() };
}

/** Formats a complete HTTP response, for connections that Fastify does not handle. */
function formatProblemResponse(
  status: number,
  problem: Problem,
  headers: Readonly<Record<string, string>> = {},
): string {
  const body = JSON.stringify(problem);
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
  return (
    `HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\nContent-Type: application/problem+json\r\n${lines.join('')}` +
    `Content-Length: ${Buffer.byteLength(body)}\r\nConnection: close\r\n\r\n${body}`
  );
}
