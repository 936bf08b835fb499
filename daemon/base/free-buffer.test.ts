import { expect, it } from 'vitest';
import { freeBuffer } from './free-buffer.ts';

it('frees the memory of a large buffer', () => {
  const buffer = Buffer.alloc(1_000_000, 1);
  const before = process.memoryUsage().arrayBuffers;
  freeBuffer(buffer);
  expect(before - process.memoryUsage().arrayBuffers).toBe(1_000_000);
  expect(buffer).toHaveLength(0);
});

it('leaves small buffers, which share their memory', () => {
  const [one, other] = [Buffer.from('one'), Buffer.from('other')];
  freeBuffer(one);
  expect([one.toString(), other.toString()]).toEqual(['one', 'other']);
});
