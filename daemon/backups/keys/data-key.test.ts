import { randomBytes } from 'node:crypto';
import { expect, it } from 'vitest';
import { DamagedObject } from '../backup-problem.ts';
import { DATA_KEY_BYTES, DataKey } from './data-key.ts';

const key = new DataKey(randomBytes(DATA_KEY_BYTES));

it.each([0, 1, 255, 256, 257, 65_791, 65_792, 262_144, 1_048_576, 9_000_000])(
  'opens what it sealed, of %d bytes',
  (bytes) => {
    for (const content of [randomBytes(bytes), Buffer.alloc(bytes, 'text ')])
      expect(key.open(key.seal(content, 'place'), 'place').equals(content)).toBe(true);
  },
);

it('opens a part in a buffer of its size', () => {
  const content = randomBytes(300_000);
  expect(key.open(key.seal(content, 'place'), 'place').buffer.byteLength).toBe(300_001);
});

it('opens nothing that was changed, moved or cut', () => {
  const sealed = key.seal(Buffer.from('content'), 'place');
  const changed = Buffer.from(sealed);
  changed[20] = (changed[20] ?? 0) ^ 1;
  for (const [object, place] of [
    [changed, 'place'],
    [sealed, 'other'],
    [sealed.subarray(0, -1), 'place'],
    [sealed.subarray(0, 20), 'place'],
    [Buffer.of(), 'place'],
  ] as const)
    expect(() => key.open(object, place)).toThrow(DamagedObject);
});
