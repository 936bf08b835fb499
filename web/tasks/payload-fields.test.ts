import { describe, expect, it } from 'vitest';
import { fieldsOf, payloadOf } from './payload-fields.ts';

const REPORT = {
  type: 'object',
  properties: {
    text: { type: 'string', title: 'Text', maxLength: 100 },
    days: { type: 'integer', minimum: 1, maximum: 31, default: 7 },
    format: { enum: ['csv', 'json'] },
    all: { type: 'boolean', description: 'Also archived ones' },
    tags: { type: 'array', items: { type: 'string' } },
    day: { type: 'string', format: 'date' },
  },
  required: ['text', 'format'],
};

describe('fields of a payload', () => {
  it('have the label, the kind and the limits of the schema', () => {
    expect(fieldsOf(REPORT)).toMatchObject([
      { name: 'text', label: 'Text', required: true, kind: 'text', input: { type: 'text', maxLength: 100 } },
      {
        name: 'days',
        label: 'days',
        required: false,
        kind: 'number',
        input: { min: 1, max: 31, step: 1 },
        initial: '7',
      },
      { name: 'format', required: true, kind: 'choice', choices: ['"csv"', '"json"'] },
      { name: 'all', kind: 'choice', choices: ['true', 'false'], hint: 'Also archived ones' },
      { name: 'tags', kind: 'json', hint: 'JSON' },
      { name: 'day', kind: 'text', input: { type: 'date' } },
    ]);
  });

  it.each([
    ['anything', {}, 1],
    ['any object', { type: 'object' }, 1],
    ['an array', { type: 'array' }, 1],
    ['an empty object', { type: 'object', additionalProperties: false }, 0],
    ['another form', { type: 'object', properties: 5, required: 'x' }, 1],
  ])('of %s', (_, schema, count) => {
    expect(fieldsOf(schema)).toHaveLength(count);
  });
});

describe('a payload', () => {
  it('has the values of the fields, without empty ones', () => {
    const texts = {
      'payload.text': '',
      'payload.days': '3',
      'payload.format': '"csv"',
      'payload.all': '',
      'payload.tags': '["a"]',
    };
    expect(payloadOf(fieldsOf(REPORT), texts)).toEqual({
      payload: { text: '', days: 3, format: 'csv', tags: ['a'] },
    });
  });

  it('can be written as JSON, or left out', () => {
    expect(payloadOf(fieldsOf({}), { payload: '[1]' })).toEqual({ payload: [1] });
    expect(payloadOf(fieldsOf({}), { payload: '' })).toEqual({});
    expect(payloadOf(fieldsOf({ type: 'object', additionalProperties: false }), {})).toEqual({ payload: {} });
  });

  it('names the field that is not JSON', () => {
    expect(() => payloadOf(fieldsOf(REPORT), { 'payload.tags': '[' })).toThrow(
      expect.objectContaining({
        code: 'request.invalid',
        fields: [{ path: 'payload.tags', message: 'is not JSON' }],
      }),
    );
  });
});
