import { expect, it } from 'vitest';
import { Semaphore } from './semaphore.ts';

const never = new AbortController().signal;

it('lets no more than the limit in, and the others in the order in which they came', async () => {
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

it('a release counts once, however often it is called', async () => {
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

it('whoever gives up waiting takes no place, and no signal is listened to afterwards', async () => {
  const semaphore = new Semaphore(1);
  const release = await semaphore.acquire(never);
  const impatient = new AbortController();
  const left = semaphore.acquire(impatient.signal);
  const waiting = semaphore.acquire(never);
  impatient.abort();
  expect(await left).toBeNull();
  release?.();
  expect(await waiting).not.toBeNull();
  expect(await semaphore.acquire(impatient.signal)).toBeNull();
});

it('an abort after entering takes nothing back', async () => {
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
