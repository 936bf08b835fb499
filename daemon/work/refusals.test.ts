import { expect, it } from 'vitest';
import { refusalOf } from './refusals.ts';

const refused = (status: number, body: unknown, headers: Record<string, string> = {}) =>
  refusalOf({
    name: 'ann',
    path: '/api/v1/work-items/1',
    answer: { status, headers, body: Buffer.from(typeof body === 'string' ? body : JSON.stringify(body)) },
  });

it.each([
  [400, 'request.invalid', 400],
  [403, 'auth.forbidden', 403],
  [404, 'not_found', 404],
  [409, 'conflict', 409],
  [413, 'request.too_large', 413],
  [429, 'rate_limited', 429],
  [507, 'database.full', 507],
  [418, 'database.failed', 502],
  [500, 'database.failed', 502],
  [503, 'database.failed', 502],
])('translates the status %i to %s', (status, code, expected) => {
  const error = refused(status, { status, message: 'Text.', data: {} });
  expect([error.code, error.status]).toEqual([code, expected]);
});

it('names the fields that were refused, with their codes', () => {
  const data = { title: { code: 'too_long', message: 'Too long.' }, parent_id: { code: 7, message: 7 } };
  const error = refused(400, { message: 'Failed.', data });
  expect(error.fields).toEqual([
    { path: 'title', code: 'too_long', message: 'Too long.' },
    { path: 'parent_id', message: 'is refused' },
  ]);
  expect(error.message).toBe('title: Too long.; parent_id: is refused');
});

it('describes what is missing where PocketBase does not', () => {
  const text = "The requested resource wasn't found.";
  expect(refused(404, { message: text }).message).toBe('there is no /api/v1/work-items/1 in your database');
  expect(refused(404, { message: 'There is no such item.' }).message).toBe('There is no such item.');
});

it.each(['', 'null', '[]', '7', '"text"', '<html>', '{"message": {}, "data": []}', '{"data": {"a": null}}'])(
  'takes the body %s',
  (body) => {
    for (const status of [400, 404, 409, 429, 500, 503, 507])
      expect(refused(status, body).message).not.toBe('');
  },
);

it('bounds what a database sends', () => {
  const long = 'x'.repeat(10_000);
  const data = Object.fromEntries(
    Array.from({ length: 100 }, (_, n) => [`${n}${long}`, { code: long, message: long }]),
  );
  const error = refused(400, { message: long, data });
  expect(error.fields).toHaveLength(10);
  expect(JSON.stringify(error.fields).length).toBeLessThan(10_000);
  expect(refused(429, {}, { 'retry-after': '99999999' }).retryAfterS).toBe(3600);
  expect(refused(429, {}, { 'retry-after': 'soon' }).retryAfterS).toBe(1);
});

it('waits for a database that has no process', () => {
  const body = {
    status: 503,
    message: 'Starting.',
    data: { database: { code: 'starting', message: 'Starting.' } },
  };
  const error = refused(503, body, { 'retry-after': '10' });
  expect([error.code, error.retryAfterS]).toEqual(['database.unavailable', 10]);
});
