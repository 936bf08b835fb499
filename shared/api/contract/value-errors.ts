import type { z } from 'zod';
import { BLANK, NOT_BLANK } from '../../work/texts.ts';

/*
 * What a value must be, in the words of the application `work-items`. Schemas with a message of their own keep it. Contracts of
 * endpoints use it for all schemas of their process. Handlers of tasks do not: those of other people are in the same thread.
 */

type Issue = z.core.$ZodRawIssue;

export const LEFT_OUT = 'Cannot be left out.';

const TYPES: Readonly<Record<string, string>> = {
  string: 'a text',
  number: 'a number',
  int: 'a whole number',
  boolean: 'true or false',
  array: 'a list',
  object: 'an object',
  record: 'an object',
  map: 'an object',
  date: 'a time',
};

const FORMATS: Readonly<Record<string, string>> = {
  email: 'Must be an e-mail address.',
  url: 'Must be a URL.',
  uuid: 'Must be a UUID.',
  datetime: 'Must be a time, such as 2026-01-15T08:30:00Z.',
  date: 'Must be a date, such as 2026-01-15.',
  time: 'Must be a time of day, such as 08:30:00.',
  ipv4: 'Must be an IPv4 address.',
  ipv6: 'Must be an IPv6 address.',
  base64: 'Must be in base64.',
  json_string: 'Must be JSON.',
};

/** @returns the message for a value that a schema refuses */
export function describeIssue(issue: Issue): string {
  switch (issue.code) {
    case 'invalid_type':
      if (issue.input === undefined) return LEFT_OUT;
      return `Must be ${TYPES[issue.expected] ?? issue.expected}.`;
    case 'invalid_value': {
      const values = issue.values.map((value) => (typeof value === 'string' ? value : JSON.stringify(value)));
      if (issue.input === undefined) return LEFT_OUT;
      return values.length === 1 ? `Must be ${values[0]}.` : `Must be one of: ${values.join(', ')}.`;
    }
    case 'too_small':
      return describeMinimum(issue);
    case 'too_big':
      return describeMaximum(issue);
    case 'invalid_format':
      return describeFormat(issue);
    case 'not_multiple_of':
      return `Must be a multiple of ${issue.divisor}.`;
    case 'unrecognized_keys':
      return `There is no field ${issue.keys.join(', ')}.`;
    case 'invalid_union':
      if (issue.input === undefined) return LEFT_OUT;
      return issue['discriminator'] === undefined
        ? 'Has none of the possible forms.'
        : 'Is not a known value.';
    case 'invalid_key':
      return 'Has a name that is not possible.';
    default:
      return 'Is not valid.';
  }
}

function describeMinimum({ origin, minimum, inclusive, input }: Issue & { code: 'too_small' }): string {
  const unit = unitOf(origin, Number(minimum));
  if (unit === null)
    return inclusive === false ? `Must be more than ${minimum}.` : `Must be at least ${minimum}.`;
  if (input === '' || (Array.isArray(input) && input.length === 0)) return 'Cannot be empty.';
  return `Must have at least ${minimum} ${unit}.`;
}

function describeMaximum({ origin, maximum, inclusive }: Issue & { code: 'too_big' }): string {
  const unit = unitOf(origin, Number(maximum));
  if (unit !== null) return `Must have at most ${maximum} ${unit}.`;
  return inclusive === false ? `Must be less than ${maximum}.` : `Must be at most ${maximum}.`;
}

/** What is counted; null for a value that is compared. */
function unitOf(origin: string, count: number): string | null {
  if (origin === 'string') return count === 1 ? 'character' : 'characters';
  if (['array', 'set', 'map', 'object', 'record'].includes(origin)) return count === 1 ? 'entry' : 'entries';
  return null;
}

function describeFormat(issue: Issue & { code: 'invalid_format' }): string {
  const { format, pattern } = issue;
  if (pattern === `/${NOT_BLANK}/`) return BLANK.message;
  const known = FORMATS[format];
  if (known !== undefined) return known;
  return format === 'regex' && pattern !== undefined
    ? `Must match ${pattern}.`
    : 'Does not have the expected form.';
}
