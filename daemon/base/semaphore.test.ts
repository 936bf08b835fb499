import { expect, it } from 'vitest';
import { Semaphore } from './semaphore.ts';

const never = new AbortController().signal;

it('admits at most the limit, and then the waiting callers in order', async () => {
  const semaphore = new Semaphore(2);
  const entered: number[] = [];
  const holders = Array.from({ length: 5 }, async (_, index) => {
    const release = await semaphore.acquire(never);
    entered.push(index);
    return release;
  });
  const [first, second] = [await holders[0], await holders[1]];
  expect(entered).toEqual([0, 1]);
  second?.();
  (await holders[2])?.();
  (await holders[3])?.();
  first?.();
  await holders[4];
  expect(entered).toEqual([0, 1, 2, 3, 4]);
});

it('a second call of a release has no effect', async () => {
  const semaphore = new Semaphore(1);
  const release = await semaphore.acquire(never);
  const second = semaphore.acquire(never);
  let thirdIn = false;
  const third = semaphore.acquire(never).then((held) => {
    thirdIn = true;
    return held;
  });
  release?.();
  release?.();
  const releaseSecond = await second;
  await Promise.resolve();
  expect(thirdIn).toBe(false);
  releaseSecond?.();
  expect(await third).not.toBeNull();
});

it('a caller whose signal aborts gets null and takes no slot', async () => {
  const semaphore = new Semaphore(1);
  const release = await semaphore.acquire(never);
  const controller = new AbortController();
  const aborted = semaphore.acquire(controller.signal);
  const waiting = semaphore.acquire(never);
  controller.abort();
  expect(await aborted).toBeNull();
  release?.();
  expect(await waiting).not.toBeNull();
  expect(await semaphore.acquire(controller.signal)).toBeNull();
});

it('an abort after the acquire does not release', async () => {
  const semaphore = new Semaphore(1);
  const release = await semaphore.acquire(never);
  const controller = new AbortController();
  const second = semaphore.acquire(controller.signal);
  release?.();
  const releaseSecond = await second;
  controller.abort();
  const third = semaphore.acquire(never);
  releaseSecond?.();
  expect(await third).not.toBeNull();
});
