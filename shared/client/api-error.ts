import type { Problem } from '../api/contract/endpoint.ts';
import { ERROR_CODES, type ErrorCode, FathomError, type FieldError } from '../errors.ts';

/** An error response of the daemon (RFC 9457). */
export class ApiError extends FathomError {
  /** The code that the daemon sent. `code` is the closest one that this client knows. */
  readonly problemCode: string;
  /** Finds the request in the daemon's log. */
  readonly requestId: string | null;
  readonly #status: number;

  constructor(status: number, problem: Partial<Problem>, retryAfterS: number | null = null) {
    const code = knownCode(problem.code, status);
    const detail = problem.detail || problem.title || ERROR_CODES[code].title;
    super(code, detail, { fields: fieldsOf(problem.errors), retryAfterS });
    this.problemCode = problem.code ?? code;
    this.requestId = problem.request_id ?? null;
    this.#status = status;
  }

  override get status(): number {
    return this.#status;
  }
}

/** A newer daemon may send a code that this client does not know. The status then gives the closest one. */
function knownCode(code: unknown, status: number): ErrorCode {
  if (typeof code === 'string' && Object.hasOwn(ERROR_CODES, code)) return code as ErrorCode;
  switch (status) {
    case 400:
    case 422:
      return 'request.invalid';
    case 401:
      return 'auth.required';
    case 403:
      return 'auth.forbidden';
    case 404:
      return 'not_found';
    case 405:
      return 'request.method_not_allowed';
    case 409:
      return 'conflict';
    case 413:
      return 'request.too_large';
    case 415:
      return 'request.unsupported_type';
    case 429:
      return 'rate_limited';
    case 502:
    case 503:
    case 504:
      return 'daemon.unreachable';
    default:
      return 'internal';
  }
}

function fieldsOf(errors: unknown): FieldError[] {
  if (!Array.isArray(errors)) return [];
  return errors.flatMap((entry: unknown) => {
    if (typeof entry !== 'object' || entry === null || !('path' in entry) || !('message' in entry)) return [];
    const field = { path: String(entry.path), message: String(entry.message) };
    return ['code' in entry ? { ...field, code: String(entry.code) } : field];
  });
}
