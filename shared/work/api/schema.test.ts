import * as fc from 'fast-check';
import { expect, it } from 'vitest';
import { OPERATIONS } from './operations.ts';
import { type Infer, type ObjectSchema, typedQuery, validate } from './schema.ts';

const schema = {
  type: 'object',
  properties: {
    name: { type: 'string', minLength: 2, maxLength: 3 },
    kind: { type: ['string', 'null'], enum: ['a', 'b'] },
    count: { type: 'integer', minimum: 0, maximum: 5 },
    open: { type: 'boolean' },
    tags: { type: 'array', items: { type: 'string' }, maxItems: 2 },
    other: { type: 'object' },
  },
  required: ['name'],
  additionalProperties: false,
} as const satisfies ObjectSchema;

const codesOf = (value: unknown) =>
  Object.fromEntries([...validate(schema, value)].map(([path, { code }]) => [path, code]));

it.each([
  [{ name: 'ab' }, {}],
  [{ name: 'é😀ö', kind: null, count: 0, open: false, tags: [], other: { any: [1] } }, {}],
  [{}, { name: 'required' }],
  [{ name: undefined }, { name: 'invalid_type' }],
  [
    { name: 'a', kind: 'c', count: 6 },
    { name: 'too_short', kind: 'not_one_of', count: 'too_large' },
  ],
  [
    { name: 'abcd', count: -1, tags: ['a', 1] },
    { name: 'too_long', count: 'too_small', 'tags.1': 'invalid_type' },
  ],
  [
    { name: 'ab', count: 1.5, open: 'true', other: [] },
    { count: 'invalid_type', open: 'invalid_type', other: 'invalid_type' },
  ],
  [
    { name: 'ab', count: Number.NaN, tags: ['a', 'b', 'c'] },
    { count: 'invalid_type', tags: 'too_long' },
  ],
  [{ name: 'ab', constructor: 1 }, { constructor: 'unknown_field' }],
  [JSON.parse('{"name":"ab","__proto__":1}'), { ['__proto__']: 'unknown_field' }],
  [null, { '': 'invalid_type' }],
  [[], { '': 'invalid_type' }],
])('validates %j: %j', (value, expected) => {
  expect(Object.entries(codesOf(value))).toEqual(Object.entries(expected));
});

it('has a type for what it admits', () => {
  const value: Infer<typeof schema> = { name: 'ab', kind: 'a', tags: ['x'] };
  expect(codesOf(value)).toEqual({});
});

it('does not read more of a value than it needs', () => {
  expect(codesOf({ name: '😀'.repeat(4) })).toEqual({ name: 'too_long' });
  expect(codesOf({ name: 'x'.repeat(10_000_000) })).toEqual({ name: 'too_long' });
  const fields = Array.from({ length: 1000 }, (_, index) => [`f${index}`, 1]);
  expect(validate(schema, Object.fromEntries(fields)).size).toBe(20);
});

it('refuses or admits any value, and never throws', () => {
  fc.assert(
    fc.property(fc.anything(), (value) => {
      for (const operation of Object.values(OPERATIONS))
        if ('body' in operation) expect(validate(operation.body, value)).toBeInstanceOf(Map);
    }),
  );
});

it('reads numbers and booleans of queries, and leaves other texts', () => {
  const query = { count: '5', open: 'true', name: '7', other: 'x' };
  expect(typedQuery(schema, query)).toEqual({ count: 5, open: true, name: '7', other: 'x' });
  for (const count of ['', ' 1', '1e3', '0x1', '1.0', '９'])
    expect(typedQuery(schema, { count })).toEqual({ count });
});

it('each operation has a path of its own', () => {
  const paths = Object.values(OPERATIONS).map(({ method, path }) => `${method} ${path}`);
  expect(new Set(paths).size).toBe(paths.length);
});
