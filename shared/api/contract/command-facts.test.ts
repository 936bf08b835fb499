import { expect, it } from 'vitest';
import { z } from 'zod';
import { commandFactsOf } from './command-facts.ts';
import type { Endpoint } from './endpoint.ts';
import { pageOf, pageQuerySchema } from './page.ts';

const ITEM = z.object({ id: z.string(), text: z.string() }).meta({ id: 'CommandFactsItem' });
const ENDPOINT: Endpoint = {
  operationId: 'x',
  method: 'GET',
  path: '/api/v1/notices',
  tag: { name: 'Notices', description: 'Notices for all users.' },
  summary: 'List notices',
  permission: 'public',
  responses: { 200: { description: 'One page.', schema: pageOf(ITEM) } },
};

it('makes columns of the fields of an item, and options of a query without the paging', () => {
  const query = pageQuerySchema
    .omit({ sort: true })
    .extend({ all: z.enum(['true', 'false']).default('false').meta({ description: 'All users.' }) });
  expect(commandFactsOf('notices list', { ...ENDPOINT, query })).toEqual({
    words: ['notices', 'list'],
    summary: 'List notices',
    group: 'Notices for all users',
    parameters: [],
    fields: [{ name: 'all', type: 'boolean', describe: 'All users', isRequired: false }],
    columns: ['id', 'text'],
  });
});

it('makes options of a body that can be left out', () => {
  const body = z.strictObject({ force: z.boolean().default(false).describe('Also now.') }).nullish();
  expect(commandFactsOf('notices send', { ...ENDPOINT, method: 'POST', body }).fields).toEqual([
    { name: 'force', type: 'boolean', describe: 'Also now', isRequired: false },
  ]);
});

it('makes options of a body and arguments of the path', () => {
  const body = z
    .strictObject({
      text: z.string().meta({ description: 'Text of the notice' }),
      level: z.enum(['low', 'high']).optional(),
      days: z.number().int().optional(),
      lines: z.number().int().nullable().optional().meta({ description: 'Number of lines.' }),
      after: z
        .int()
        .nullable()
        .optional()
        .meta({ description: 'Minutes.', 'x-words': { never: 0, default: null } }),
    })
    .meta({ id: 'CommandFactsBody' });
  const facts = commandFactsOf('notices set', {
    ...ENDPOINT,
    path: '/api/v1/notices/{id}',
    body,
    responses: { 204: { description: 'Set.' } },
  });
  expect(facts.parameters).toEqual(['id']);
  expect(facts.columns).toEqual([]);
  expect(facts.fields).toEqual([
    { name: 'text', type: 'string', describe: 'Text of the notice', isRequired: true },
    {
      name: 'level',
      type: 'string',
      choices: ['low', 'high'],
      describe: 'Value of level',
      isRequired: false,
    },
    { name: 'days', type: 'number', describe: 'Value of days', isRequired: false },
    { name: 'lines', type: 'number', describe: 'Number of lines', isRequired: false, words: { none: null } },
    {
      name: 'after',
      type: 'number',
      describe: 'Minutes',
      isRequired: false,
      words: { never: 0, default: null },
    },
  ]);
});
