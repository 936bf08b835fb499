import { expect, it } from 'vitest';
import { forEachConcurrent, readAhead } from './concurrent.ts';

const turn = () => new Promise((resolve) => setImmediate(resolve));

it('works on at most the given number of items at a time, and on all', async () => {
  let active = 0;
  let most = 0;
  const done: number[] = [];
  await forEachConcurrent([1, 2, 3, 4, 5], 2, async (item) => {
    active += 1;
    most = Math.max(most, active);
    await turn();
    active -= 1;
    done.push(item);
  });
  expect([most, done.length]).toEqual([2, 5]);
});

it('begins no other item after an error, and throws the first one', async () => {
  const begun: number[] = [];
  const work = forEachConcurrent([1, 2, 3, 4], 2, async (item) => {
    begun.push(item);
    await turn();
    throw new Error(`item ${item}`);
  });
  await expect(work).rejects.toThrow('item 1');
  expect(begun).toEqual([1, 2]);
});

it('reads ahead, and yields in order', async () => {
  const begun: number[] = [];
  const read = async (item: number) => {
    begun.push(item);
    for (let turns = item; turns < 5; turns += 1) await turn();
    return item * 10;
  };
  const seen: [number, number][] = [];
  for await (const result of readAhead([1, 2, 3, 4, 5], 3, read)) seen.push([result, begun.length]);
  expect(seen).toEqual([
    [10, 3],
    [20, 4],
    [30, 5],
    [40, 5],
    [50, 5],
  ]);
});

function refuseTwo(item: number): Promise<number> {
  return item === 2 ? Promise.reject(new Error('two')) : Promise.resolve(item);
}

it('throws the error of an item when it is its turn', async () => {
  const seen: number[] = [];
  const all = async () => {
    for await (const result of readAhead([1, 2, 3], 3, refuseTwo)) seen.push(result);
  };
  await expect(all()).rejects.toThrow('two');
  expect(seen).toEqual([1]);
});
