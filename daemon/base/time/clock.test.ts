import { expect, it } from 'vitest';
import { ManualTime } from '../../../test/helpers/manual-time.ts';
import { deadline, systemClock, unlessAborted } from './clock.ts';

it('a sleep ends when its signal aborts, and at once when it has already aborted', async () => {
  const controller = new AbortController();
  const sleep = systemClock.sleep(3_600_000, controller.signal);
  controller.abort();
  await sleep;
  await systemClock.sleep(3_600_000, controller.signal);
});

it('a sleep that ends by its timer removes its listener', async () => {
  const controller = new AbortController();
  let listeners = 0;
  const signal = new Proxy(controller.signal, {
    get: (target, key) => {
      if (key === 'addEventListener') listeners += 1;
      if (key === 'removeEventListener') listeners -= 1;
      const value: unknown = Reflect.get(target, key);
      return typeof value === 'function' ? (value.bind(target) as unknown) : value;
    },
  });
  await systemClock.sleep(1, signal);
  expect(listeners).toBe(0);
});

it('a deadline aborts after its time, and never after it was cancelled', async () => {
  const time = new ManualTime();
  const [kept, cancelled] = [deadline(time, 100), deadline(time, 100)];
  cancelled.cancel();
  await time.advance(99);
  expect(kept.signal.aborted).toBe(false);
  await time.advance(1);
  expect([kept.signal.aborted, cancelled.signal.aborted]).toEqual([true, false]);
});

it('does not wait for work any longer when the signal aborts, and throws its failure else', async () => {
  const controller = new AbortController();
  const waited = unlessAborted(new Promise<void>(() => {}), controller.signal);
  controller.abort();
  await waited;
  await unlessAborted(new Promise<void>(() => {}), controller.signal);
  const failed = unlessAborted(Promise.reject(new Error('broken')), new AbortController().signal);
  await expect(failed).rejects.toThrow('broken');
});
