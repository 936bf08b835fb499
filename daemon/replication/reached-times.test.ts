import { expect, it } from 'vitest';
import { ManualTime } from '../../test/helpers/manual-time.ts';
import { ReachedTimes, untilReached } from './reached-times.ts';

const wanted = (at: Date, signal = new AbortController().signal) => ({ name: 'ann', at, signal });

it('waits until a replica reaches a time, and refuses when it does not', async () => {
  const clock = new ManualTime();
  const start = clock.now().getTime();
  const at = new Date(start + 2_000);
  const waiting = untilReached(wanted(at), () => clock.now(), clock);
  await clock.advance(2_000);
  await waiting;

  for (const [reached, text] of [
    [new Date(start), 'its last time is 2024-01-15T10:00:00.000Z'],
    [null, 'Litestream has not read'],
  ] as const) {
    const refused = expect(untilReached(wanted(at), () => reached, clock)).rejects.toMatchObject({
      code: 'conflict',
      message: expect.stringContaining(text) as string,
    });
    await clock.advance(20_000);
    await refused;
  }
});

it('stops waiting when the daemon stops', async () => {
  const clock = new ManualTime();
  const stopped = new AbortController();
  const waiting = expect(
    untilReached(wanted(clock.now(), stopped.signal), () => null, clock),
  ).rejects.toMatchObject({ name: 'AbortError' });
  stopped.abort();
  await waiting;
  expect(clock.sleeping).toBe(0);
});

it('a database without a process reaches now, unless its last changes were not sent', () => {
  const [now, before] = [new Date(2_000), new Date(1_000)];
  const reached = new ReachedTimes();
  expect(reached.of('a', 'asleep', null, now)).toEqual(now);
  expect(reached.of('a', null, null, now)).toEqual(now);
  expect(reached.of('a', 'running', null, now)).toBeNull();
  expect(reached.of('a', 'running', before, now)).toEqual(before);

  reached.noteBehind('a', before);
  // It was registered again in vain.
  reached.noteBehind('a', null);
  expect(reached.of('a', 'asleep', null, now)).toEqual(before);
  expect(reached.of('b', 'asleep', null, now)).toEqual(now);
  reached.noteSynced('a');
  expect(reached.of('a', 'asleep', null, now)).toEqual(now);

  reached.noteBehind('a', null);
  expect(reached.of('a', 'stopped', null, now)).toBeNull();
});
