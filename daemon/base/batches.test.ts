import { expect, it } from 'vitest';
import { Batches } from './batches.ts';

it('writes together what is added during a write, and fails only the items of a failed batch', async () => {
  const written: (readonly string[])[] = [];
  const gates: PromiseWithResolvers<void>[] = [];
  const batches = new Batches<string>((batch) => {
    written.push(batch);
    const gate = Promise.withResolvers<void>();
    gates.push(gate);
    return gate.promise;
  });
  const first = batches.add('a');
  await expect.poll(() => gates.length).toBe(1);
  const failed = [batches.add('b'), batches.add('c')].map((item) => expect(item).rejects.toThrow('no'));
  gates[0]?.resolve();
  await first;
  await expect.poll(() => gates.length).toBe(2);
  const last = batches.add('d');
  gates[1]?.reject(new Error('no'));
  await Promise.all(failed);
  await expect.poll(() => gates.length).toBe(3);
  gates[2]?.resolve();
  await last;
  expect(written).toEqual([['a'], ['b', 'c'], ['d']]);
});
