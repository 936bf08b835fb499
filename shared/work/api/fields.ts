import { NOT_BLANK } from '../texts.ts';

/** Fields of requests. The collections have the same limits. */
export const id = { type: 'string', minLength: 1, maxLength: 36 } as const;
export const idOrNull = { ...id, type: ['string', 'null'] } as const;
/** A text with more than white space. */
export function text<const N extends number>(maxLength: N) {
  return { type: 'string', minLength: 1, maxLength, pattern: NOT_BLANK } as const;
}

/** To the end of the year 9999. */
export const time = {
  type: 'integer',
  minimum: 0,
  maximum: 253402300799999,
  description: 'Milliseconds since 1970.',
} as const;
export const timeOrNull = { ...time, type: ['integer', 'null'] } as const;
export const itemType = { type: 'string', enum: ['project', 'epic', 'story', 'task'] } as const;
export const status = {
  type: 'string',
  minLength: 1,
  maxLength: 40,
  description: 'A status of the workflow of the project.',
} as const;
export const version = {
  type: 'integer',
  minimum: 0,
  description: 'The version that was read. The request is refused if the item has another one.',
} as const;

const PAGE = {
  page: { type: 'integer', minimum: 1, maximum: 1_000_000, description: 'Counts from 1.' },
  per_page: { type: 'integer', minimum: 1, maximum: 200, description: 'Default 50.' },
} as const;

/** A query of a list, with its own parameters. */
export function listQuery<const P>(properties: P) {
  return { type: 'object', properties: { ...properties, ...PAGE }, additionalProperties: false } as const;
}

/** A body, or a query, whose other fields are refused. */
export function fieldsOf<const P, const R extends readonly (keyof P)[]>(properties: P, required: R) {
  return { type: 'object', properties, required, additionalProperties: false } as const;
}
