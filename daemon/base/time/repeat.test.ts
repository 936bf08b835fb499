import { expect, it } from 'vitest';
import { ManualTime, settle } from '../../../test/helpers/manual-time.ts';
import { repeat, startLoop } from './repeat.ts';

it('runs again an interval after the last end, and stops during a wait', async () => {
  const time = new ManualTime();
  let runs = 0;
  const stop = repeat(time, 1_000, () => {
    runs += 1;
    return Promise.resolve();
  });
  await time.advance(2_500);
  expect(runs).toBe(3);
  await stop();
  await time.advance(5_000);
  expect(runs).toBe(3);
  expect(time.sleeping).toBe(0);
});

it('stop waits for a run in progress', async () => {
  const time = new ManualTime();
  const gate = Promise.withResolvers<void>();
  let ended = false;
  const stop = repeat(time, 1_000, async () => {
    await gate.promise;
    ended = true;
  });
  const stopped = stop();
  gate.resolve();
  await stopped;
  expect(ended).toBe(true);
});

it('wake ends a wait, and during a run replaces the wait after it', async () => {
  const time = new ManualTime();
  let gate = Promise.resolve();
  let runs = 0;
  const loop = startLoop(time, async () => {
    runs += 1;
    await gate;
    return 1_000;
  });
  await settle();
  loop.wake();
  await settle();
  expect(runs).toBe(2);
  const { promise, resolve } = Promise.withResolvers<void>();
  gate = promise;
  await time.advance(1_000);
  expect(runs).toBe(3);
  loop.wake();
  resolve();
  await settle();
  expect(runs).toBe(4);
  expect(time.sleeping).toBe(1);
  await loop.stop();
});

it('ends when a run returns null', async () => {
  const time = new ManualTime();
  let runs = 0;
  const loop = startLoop(time, () => Promise.resolve((runs += 1) < 3 ? 10 : null));
  await time.advance(1_000);
  expect(runs).toBe(3);
  expect(time.sleeping).toBe(0);
  await loop.stop();
});

it('a run sees that the loop is stopping', async () => {
  const time = new ManualTime();
  const loop = startLoop(time, async (stopping) => {
    await time.sleep(3_600_000, stopping);
    return 0;
  });
  await loop.stop();
  expect(time.sleeping).toBe(0);
});
