import { randomBytes } from 'node:crypto';
import * as fc from 'fast-check';
import { beforeEach, describe, expect, it } from 'vitest';
import type { StoredObject, Target } from '../../daemon/backups/targets/target.ts';

const KEYS = ['a', 'b/c', 'b/d.json', 'b/e/f_1-2', 'b2/c', 'chunks/x/00/0001'] as const;
const PREFIXES = ['', 'b/', 'b/e/', 'b2/', 'chunks/', 'nothing/'] as const;
const ILLEGAL = ['', '/', 'a/', '/a', '../a', 'a/../b', 'a//b', './a', '.a', 'a/.b', 'A', 'a b', 'ä', 'a\n'];

export async function listAll(target: Target, prefix: string): Promise<StoredObject[]> {
  const objects: StoredObject[] = [];
  for await (const object of target.list(prefix)) objects.push(object);
  return objects;
}

async function keysOf(target: Target, prefix: string): Promise<string[]> {
  return (await listAll(target, prefix)).map(({ key }) => key).toSorted();
}

/** What every target of backups does. @param create returns an empty target */
export function describeTarget(name: string, create: () => Promise<Target>): void {
  describe(`the target ${name}`, () => {
    let target: Target;
    beforeEach(async () => {
      target = await create();
    });

    it('returns what was stored, of any size', async () => {
      for (const size of [0, 1, 1000, 300_000, 4_500_000]) {
        const content = randomBytes(size);
        await target.put(`sizes/${size}`, content);
        expect((await target.get(`sizes/${size}`))?.equals(content), String(size)).toBe(true);
      }
    });

    it('replaces an object', async () => {
      await target.put('a', Buffer.from('a long first content'));
      await target.put('a', Buffer.from('second'));
      expect(String(await target.get('a'))).toBe('second');
    });

    it('has nothing at first, and deletes nothing without an error', async () => {
      expect(await target.get('b/c')).toBeNull();
      expect(await target.has('b/c')).toBe(false);
      expect(await keysOf(target, '')).toEqual([]);
      await target.delete('b/c');
    });

    it('erases everything below a prefix, and stores there again', async () => {
      for (const key of KEYS) await target.put(key, Buffer.of(1));
      await target.eraseAll('b/');
      await target.eraseAll('nothing/');
      expect(await keysOf(target, '')).toEqual(KEYS.filter((key) => !key.startsWith('b/')).toSorted());
      await target.put('b/e/again', Buffer.of(2));
      expect(await keysOf(target, 'b/')).toEqual(['b/e/again']);
    });

    it('lists sizes and times', async () => {
      const before = Date.now();
      await target.put('b/c', Buffer.alloc(1234));
      const objects = await listAll(target, 'b/');
      expect(objects).toEqual([{ key: 'b/c', bytes: 1234, storedAt: expect.any(Date) as Date }]);
      // Servers have clocks of their own.
      expect(Math.abs((objects[0]?.storedAt.getTime() ?? 0) - before)).toBeLessThan(600_000);
    });

    it('a reader sees the former content or the next one, and never a part', async () => {
      const contents = [1, 2].map((byte) => Buffer.alloc(200_000, byte));
      await target.put('a', contents[0] as Buffer);
      for (let round = 0; round < 20; round += 1) {
        const writing = target.put('a', contents[round % 2] as Buffer);
        for (let read = 0; read < 3; read += 1) {
          const seen = await target.get('a');
          expect(contents.some((content) => seen?.equals(content))).toBe(true);
        }
        await writing;
      }
      expect(await keysOf(target, '')).toEqual(['a']);
    });

    it('several writers at once store all of their objects', async () => {
      const keys = Array.from({ length: 40 }, (_, index) => `many/${index % 4}/object-${index}`);
      await Promise.all(keys.map((key) => target.put(key, Buffer.from(key))));
      expect(await keysOf(target, 'many/')).toEqual(keys.toSorted());
    });

    it('stores several objects at once, and replaces those that it has', async () => {
      await target.put('b/c', Buffer.from('a long first content'));
      const objects = ['b/c', 'b/d.json', 'b/e/f', 'b2/c'].map((key) => ({ key, content: Buffer.from(key) }));
      await target.putAll(objects);
      await target.putAll([]);
      for (const { key, content } of objects) expect(await target.get(key)).toEqual(content);
      expect(await keysOf(target, '')).toEqual(objects.map(({ key }) => key));
    });

    it.each(ILLEGAL)('refuses the key %j', async (key) => {
      await expect(target.put(key, Buffer.of(1))).rejects.toThrow('no key');
      await expect(target.get(key)).rejects.toThrow('no key');
      await expect(target.has(key)).rejects.toThrow('no key');
      await expect(target.delete(key)).rejects.toThrow('no key');
    });

    it('behaves like a map of keys', async () => {
      const step = fc.record({
        operation: fc.constantFrom('put', 'delete'),
        key: fc.constantFrom(...KEYS),
        content: fc.uint8Array({ maxLength: 50 }),
      });
      await fc.assert(
        fc.asyncProperty(fc.array(step, { maxLength: 25 }), async (steps) => {
          const empty = await create();
          const model = new Map<string, Buffer>();
          for (const { operation, key, content } of steps) {
            if (operation === 'put') {
              await empty.put(key, content);
              model.set(key, Buffer.from(content));
            } else {
              await empty.delete(key);
              model.delete(key);
            }
          }
          for (const key of KEYS) {
            expect(await empty.get(key)).toEqual(model.get(key) ?? null);
            expect(await empty.has(key)).toBe(model.has(key));
          }
          for (const prefix of PREFIXES) {
            const expected = [...model.keys()].filter((key) => key.startsWith(prefix));
            expect(await keysOf(empty, prefix)).toEqual(expected.toSorted());
          }
        }),
        { numRuns: 20 },
      );
    });
  });
}
