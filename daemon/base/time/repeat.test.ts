import { expect, it } from 'vitest';
import { ManualTime } from '../../../test/helpers/manual-time.ts';
import { repeat } from './repeat.ts';

it('runs again an interval after the last end, and stops within a wait', async () => {
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

it('stopping waits for the run that is under way', async () => {
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
