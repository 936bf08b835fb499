import type { FastifySchemaValidationError } from 'fastify';
import { validatorCompiler } from 'fastify-type-provider-zod';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
// The wording of what is refused.
import '../../shared/api/contract/endpoint.ts';
import { BLANK, NOT_BLANK } from '../../shared/work/texts.ts';
import { fieldErrorsOf } from './field-errors.ts';

const schema = z.strictObject({
  name: z.string().min(2).max(3).optional(),
  title: z.string().min(1).regex(new RegExp(NOT_BLANK)).optional(),
  count: z.coerce.number().int().min(1).max(5).optional(),
  kind: z.enum(['a', 'b']).optional(),
  tags: z.array(z.string()).max(1).optional(),
  parent: z.union([z.string().min(1).regex(new RegExp(NOT_BLANK)), z.null()]).optional(),
  even: z
    .number()
    .refine((value) => value % 2 === 0, 'is not even')
    .optional(),
  place: z.strictObject({ x: z.number() }).optional(),
});

function errorsOf(value: unknown, part = 'body') {
  const validate = validatorCompiler({ schema, method: 'POST', url: '/' });
  const { error } = validate(value) as unknown as { error: FastifySchemaValidationError[] };
  return fieldErrorsOf(error, part);
}

describe('fieldErrorsOf', () => {
  it.each([
    [{ name: 'a' }, { name: 'too_short' }],
    [
      { name: 'abcd', tags: ['a', 'b'] },
      { name: 'too_long', tags: 'too_long' },
    ],
    [
      { name: 5, tags: ['a', 1] },
      { name: 'invalid_type', tags: 'too_long' },
    ],
    [{ title: '' }, { title: 'too_short' }],
    [{ title: ' \u3000\t' }, { title: 'blank' }],
    [{ title: '\u0001\u001b\u007f\n' }, { title: 'blank' }],
    [{ title: '\u200b\u2060\ufeff\u3164' }, { title: 'blank' }],
    [{ title: 'a\0b' }, { title: 'blank' }],
    [{ count: 'x' }, { count: 'invalid_type' }],
    [{ count: 0 }, { count: 'too_small' }],
    [{ count: 6 }, { count: 'too_large' }],
    [{ kind: 'c' }, { kind: 'not_one_of' }],
    [{ parent: 5 }, { parent: 'invalid_type' }],
    [{ parent: '' }, { parent: 'too_short' }],
    [{ even: 1 }, { even: 'invalid' }],
    [{ place: {} }, { 'place.x': 'required' }],
    [{ place: { x: 1, y: 2 } }, { 'place.y': 'unknown_field' }],
    [
      { foo: 1, constructor: 2 },
      { foo: 'unknown_field', constructor: 'unknown_field' },
    ],
  ])('has a code for each field of %j', (value, expected) => {
    expect(Object.fromEntries(errorsOf(value).map(({ path, code }) => [path, code]))).toEqual(expected);
  });

  it.each([
    [{ name: 'a' }, 'Must have at least 2 characters.'],
    [{ name: 5 }, 'Must be a text.'],
    [{ title: '' }, 'Cannot be empty.'],
    [{ title: '\u200b' }, BLANK.message],
    [{ count: 'x' }, 'Must be a number.'],
    [{ count: 6 }, 'Must be at most 5.'],
    [{ kind: 'c' }, 'Must be one of: a, b.'],
    [{ tags: ['a', 'b'] }, 'Must have at most 1 entry.'],
    [{ parent: 5 }, 'Must be a text.'],
    [{ even: 1 }, 'is not even'],
    [{ place: {} }, 'Cannot be left out.'],
    [{ foo: 1 }, 'There is no such field.'],
  ])('says what a field of %j must be', (value, message) => {
    expect(errorsOf(value)).toMatchObject([{ message }]);
  });

  it.each([
    ['body', '(body)'],
    ['querystring', '(query)'],
    ['params', '(path)'],
  ])('names the part %s when no field is the cause', (part, path) => {
    expect(errorsOf(null, part)).toEqual([
      { path, message: expect.any(String) as string, code: 'invalid_type' },
    ]);
  });

  it('lists at most ten fields, with short names', () => {
    const many = Object.fromEntries(Array.from({ length: 50 }, (_, index) => [`f${index}`, 1]));
    expect(errorsOf(many)).toHaveLength(10);
    expect(errorsOf({ ['x'.repeat(5000)]: 1 })[0]?.path).toHaveLength(201);
  });
});
