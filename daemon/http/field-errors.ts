import type { FastifySchemaValidationError } from 'fastify';
import { LEFT_OUT } from '../../shared/api/contract/value-errors.ts';
import type { FieldError } from '../../shared/errors.ts';
import { BLANK, NOT_BLANK } from '../../shared/work/texts.ts';

/** Field errors in a response. The rest usually has the same cause. */
const MAX_FIELDS = 10;
/** Characters of the name or the message of a field, which can contain what the client sent. */
const MAX_FIELD_TEXT = 200;
/** The path of a part of a request. */
const PARTS: Readonly<Record<string, string>> = { querystring: '(query)', params: '(path)' };

/** A value that a schema of zod refuses. */
interface Issue {
  code: string;
  /** Of the field, such as `labels.0`; empty for the part of the request. */
  path: string;
  message: string;
  details: Readonly<Record<string, unknown>>;
}

/**
 * Describes the fields of a request that its schema refuses. Codes are those of the application `work-items`.
 *
 * @param part the part of the request, as Fastify names it
 */
export function fieldErrorsOf(
  validation: readonly FastifySchemaValidationError[],
  part: string | undefined,
): FieldError[] {
  const errors = new Map<string, FieldError>();
  for (const { keyword, instancePath, message = 'is not valid', params } of validation) {
    const path = instancePath.replace(/^\//, '').replaceAll('/', '.');
    for (const error of describe({ code: keyword, path, message, details: params })) {
      const shown = shorten(error.path) || (PARTS[part ?? ''] ?? '(body)');
      // The first reason is enough: an empty text is also a blank one.
      if (!errors.has(shown)) errors.set(shown, { ...error, path: shown, message: shorten(error.message) });
      if (errors.size === MAX_FIELDS) return [...errors.values()];
    }
  }
  return [...errors.values()];
}

function describe({ code, path, message, details }: Issue): FieldError[] {
  const { origin, keys, errors, pattern } = details;
  const one = (name: string, text = message) => [{ path, message: text, code: name }];
  const isLength = origin === 'string' || origin === 'array';
  switch (code) {
    case 'invalid_type':
      return one(message === LEFT_OUT ? 'required' : 'invalid_type');
    case 'invalid_value':
      return one(message === LEFT_OUT ? 'required' : 'not_one_of');
    case 'too_small':
      return one(isLength ? 'too_short' : 'too_small');
    case 'too_big':
      return one(isLength ? 'too_long' : 'too_large');
    case 'unrecognized_keys':
      return (keys as string[]).map((key) => ({
        path: path === '' ? key : `${path}.${key}`,
        message: 'There is no such field.',
        code: 'unknown_field',
      }));
    case 'invalid_format':
      return pattern === `/${NOT_BLANK}/` ? one(BLANK.code, BLANK.message) : one('invalid_format');
    case 'invalid_union':
      return message === LEFT_OUT ? one('required') : (describeUnion(errors, path) ?? one('invalid'));
    default:
      return one('invalid');
  }
}

/** The reasons of the first type: the other one is null. */
function describeUnion(errors: unknown, path: string): FieldError[] | null {
  const [first] = errors as { code: string; path: (string | number)[]; message: string }[][];
  if (first === undefined || first.length === 0) return null;
  return first.flatMap(({ code, path: below, message, ...details }) =>
    describe({ code, path: [path, ...below].filter((step) => step !== '').join('.'), message, details }),
  );
}

function shorten(text: string): string {
  return text.length > MAX_FIELD_TEXT ? `${text.slice(0, MAX_FIELD_TEXT)}…` : text;
}
