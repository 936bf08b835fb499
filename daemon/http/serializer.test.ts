import { expect, it, vi } from 'vitest';
import { z } from 'zod';
import { pageOf } from '../../shared/api/contract/page.ts';
import { serializeResponses } from './serializer.ts';

const itemSchema = z.object({ name: z.string() }).meta({ id: 'SerializedItem', examples: [{ name: 'a' }] });
const route = { method: 'GET', url: '/', schema: pageOf(itemSchema) };

const page = (items: { name: string }[]) => ({ items, page: 2, per_page: 2, total: 9 });

it('writes pages of frozen items as those of other items', () => {
  const serialize = serializeResponses(route);
  const items = [
    { name: 'a', hidden: 1 },
    { name: 'b "quoted"', hidden: 2 },
  ];
  const expected = page(items.map(({ name }) => ({ name })));
  expect(JSON.parse(serialize(page(items)))).toEqual(expected);
  expect(JSON.parse(serialize(page(items.map((item) => Object.freeze(item)))))).toEqual(expected);
  expect(JSON.parse(serialize(page([])))).toEqual(page([]));
});

it('reads a frozen item once', () => {
  const serialize = serializeResponses(route);
  const read = vi.fn(() => 'a');
  const item = Object.freeze(Object.defineProperty({ name: '' }, 'name', { get: read, enumerable: true }));
  serialize(page([item]));
  const reads = read.mock.calls.length;
  expect(serialize(page([item]))).toContain('"name":"a"');
  expect(read.mock.calls.length).toBe(reads);
});

it('refuses items that do not match the schema', () => {
  const serialize = serializeResponses(route);
  const wrong = { name: 1 } as unknown as { name: string };
  expect(() => serialize(page([wrong]))).toThrow();
  expect(() => serialize(page([Object.freeze({ ...wrong })]))).toThrow();
});
