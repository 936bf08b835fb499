import { expect, it } from 'vitest';
import { KeyedMutex } from './keyed-mutex.ts';

it('runs work of one key in order, and that of other keys at the same time', async () => {
  const mutex = new KeyedMutex();
  const steps: string[] = [];
  const gate = Promise.withResolvers<void>();
  const first = mutex.run('a', async () => {
    steps.push('first begins');
    await gate.promise;
    steps.push('first ends');
  });
  const second = mutex.run('a', async () => {
    steps.push('second');
    return 2;
  });
  await mutex.run('b', async () => {
    steps.push('other key');
  });
  gate.resolve();
  await first;
  expect(await second).toBe(2);
  expect(steps).toEqual(['first begins', 'other key', 'first ends', 'second']);
});

it('continues after work that failed', async () => {
  const mutex = new KeyedMutex();
  const failing = mutex.run('a', () => Promise.reject(new Error('full')));
  const next = mutex.run('a', () => Promise.resolve('done'));
  await expect(failing).rejects.toThrow('full');
  expect(await next).toBe('done');
});
