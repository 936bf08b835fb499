import { type ErrorCode, FathomError, type FieldError } from '../../shared/errors.ts';
import { RateLimitedError } from '../accounts/sign-in/sign-in-limits.ts';
import { isUnavailableResponse } from '../pocketbase/sockets/unavailable.ts';
import type { InstanceAnswer } from './instance-http.ts';

/** A database can answer with anything. */
const MAX_FIELDS = 10;
const MAX_TEXT = 500;
const MAX_CODE = 64;
const MAX_RETRY_S = 3600;

const CODES: Readonly<Record<number, ErrorCode>> = {
  400: 'request.invalid',
  403: 'auth.forbidden',
  404: 'not_found',
  409: 'conflict',
  413: 'request.too_large',
  507: 'database.full',
};

/** Sent for each missing record and route. */
const NOT_FOUND = "The requested resource wasn't found.";

export interface Refused {
  /** Of the database. */
  name: string;
  path: string;
  answer: InstanceAnswer;
}

/** Translates a response of PocketBase from status 400. */
export function refusalOf({ name, path, answer }: Refused): FathomError {
  const { status, headers } = answer;
  const body = objectOf(parse(answer.body));
  const text = shorten(textOf(body['message']), MAX_TEXT);
  const retryAfterS = retryOf(headers['retry-after']);
  if (status === 429) return new RateLimitedError(`too many requests to ${name}`, (retryAfterS ?? 1) * 1000);
  if (isUnavailableResponse(status, body))
    return new FathomError('database.unavailable', text || `${name} does not answer`, { retryAfterS });
  const code = CODES[status];
  if (code === undefined)
    return new FathomError(
      'database.failed',
      `${name} answered with status ${status}; its log has the cause: GET /api/v1/databases/${name}/logs`,
    );
  const errors = status === 507 ? [] : fieldErrors(body['data']);
  const detail =
    errors.length > 0
      ? errors.map((error) => `${error.path}: ${error.message}`).join('; ')
      : status === 404 && (text === '' || text === NOT_FOUND)
        ? `there is no ${path} in your database`
        : text || `${name} refused the request`;
  return new FathomError(code, detail, { fields: errors });
}

function fieldErrors(data: unknown): FieldError[] {
  return Object.entries(objectOf(data))
    .slice(0, MAX_FIELDS)
    .map(([path, refusal]) => {
      const { code, message } = objectOf(refusal);
      return {
        path: shorten(path, MAX_CODE),
        message: shorten(textOf(message), MAX_TEXT) || 'is refused',
        ...(typeof code === 'string' && { code: shorten(code, MAX_CODE) }),
      };
    });
}

/** The JSON of a response; undefined for anything else. */
export function parse(body: Buffer): unknown {
  try {
    return JSON.parse(body.toString()) as unknown;
  } catch {
    return undefined;
  }
}

function retryOf(value: string | undefined): number | null {
  const seconds = Number(value);
  return Number.isInteger(seconds) && seconds > 0 ? Math.min(seconds, MAX_RETRY_S) : null;
}

function objectOf(value: unknown): Record<string, unknown> {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
}

function textOf(value: unknown): string {
  return typeof value === 'string' ? value : '';
}

function shorten(text: string, max: number): string {
  return text.length > max ? `${text.slice(0, max)}…` : text;
}
