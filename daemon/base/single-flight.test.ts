import { expect, it } from 'vitest';
import { SingleFlight } from './single-flight.ts';

const fail = () => Promise.reject(new Error('no'));

it('concurrent calls share one run; another key and a later call start a new one', async () => {
  const flights = new SingleFlight<number>();
  let runs = 0;
  const gate = Promise.withResolvers<void>();
  const work = async () => {
    runs += 1;
    const run = runs;
    await gate.promise;
    return run;
  };
  const [first, second, other] = [flights.run('a', work), flights.run('a', work), flights.run('b', work)];
  gate.resolve();
  expect(await Promise.all([first, second, other])).toEqual([1, 1, 2]);
  expect(await flights.run('a', work)).toBe(3);
});

it('a failure rejects all calls that shared the run, and is not kept', async () => {
  const flights = new SingleFlight<string>();
  const both = await Promise.allSettled([flights.run('a', fail), flights.run('a', fail)]);
  expect(both.map(({ status }) => status)).toEqual(['rejected', 'rejected']);
  expect(await flights.run('a', () => Promise.resolve('yes'))).toBe('yes');
});

it('idle and settled wait for runs in progress, also for one that fails', async () => {
  const flights = new SingleFlight<void>();
  const gate = Promise.withResolvers<void>();
  const done: string[] = [];
  const run = flights.run('a', () => gate.promise);
  const idle = flights.idle().then(() => done.push('idle'));
  const settled = flights.settled('a').then(() => done.push('settled'));
  await flights.settled('b');
  expect(done).toEqual([]);
  gate.reject(new Error('no'));
  await expect(run).rejects.toThrow('no');
  await Promise.all([idle, settled]);
  expect(done.toSorted()).toEqual(['idle', 'settled']);
});
