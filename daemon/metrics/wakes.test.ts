import { beforeEach, expect, it } from 'vitest';
import type { Instance } from '../../shared/api/instances.ts';
import type { InstancePhase, WakeCause } from '../../shared/instance.ts';
import { ManualTime } from '../../test/helpers/manual-time.ts';
import { EventBus } from '../events/bus.ts';
import { Wakes } from './wakes.ts';

let clock: ManualTime;
let bus: EventBus;
let wakes: Wakes;

beforeEach(() => {
  clock = new ManualTime();
  bus = new EventBus((error) => {
    throw error;
  });
  wakes = new Wakes(bus, clock);
});

const enter = (name: string, from: InstancePhase, to: InstancePhase) =>
  bus.publish({
    kind: 'instance.phase',
    name,
    from,
    to,
    at: clock.now().toISOString(),
    instance: {} as Instance,
  });

const ring = (name: string, by: WakeCause = 'connection') =>
  bus.publish({ kind: 'instance.wake', name, by, at: clock.now().toISOString() });

async function wake(name: string, ms: number, by: WakeCause = 'connection'): Promise<void> {
  enter(name, 'asleep', 'waking');
  ring(name, by);
  await clock.advance(ms);
  enter(name, 'waking', 'running');
}

const counted = (by: WakeCause) => wakes.counts.entries().find(({ labels }) => labels[0] === by)?.value;
const measured = () => wakes.durations.entries()[0]?.value;

it('counts wakes by cause and measures them until the instance runs', async () => {
  await wake('a', 250);
  await wake('b', 500, 'task');
  expect([counted('connection'), counted('task'), counted('sign_in')]).toEqual([1, 1, 0]);
  expect(measured()).toMatchObject({ count: 2, sum: 0.75 });
  expect(wakes.lastHour.last_hour).toBe(2);
  expect(wakes.lastHour.slowest.map(({ database, by, duration_ms }) => [database, by, duration_ms])).toEqual([
    ['b', 'task', 500],
    ['a', 'connection', 250],
  ]);
});

it('measures a wake that needs several attempts once, and none that fails', async () => {
  enter('a', 'asleep', 'waking');
  ring('a');
  await clock.advance(100);
  enter('a', 'waking', 'backing_off');
  await clock.advance(900);
  enter('a', 'starting', 'running');
  expect(measured()).toMatchObject({ count: 1, sum: 1 });

  enter('a', 'asleep', 'waking');
  enter('a', 'waking', 'failed');
  enter('a', 'starting', 'running');
  expect(measured()?.count).toBe(1);
});

it('does not measure other starts', () => {
  enter('a', 'starting', 'running');
  expect(measured()?.count).toBe(0);
  // It was woken while its process ended.
  ring('a');
  enter('a', 'starting', 'running');
  expect(measured()?.count).toBe(0);
  expect(wakes.lastHour.last_hour).toBe(1);
});

it('forgets wakes after an hour, and keeps the slowest ones of it', async () => {
  for (let number = 0; number < 20; number += 1) await wake(`early-${number}`, 1_000 + number);
  await clock.advance(40 * 60_000);
  for (const [index, ms] of [30, 60, 50, 40].entries()) await wake(`late-${index}`, ms);
  expect(wakes.lastHour).toMatchObject({ last_hour: 24, slowest: [{ duration_ms: 1_019 }, {}, {}, {}, {}] });
  await clock.advance(25 * 60_000);
  expect(wakes.lastHour.last_hour).toBe(4);
  expect(wakes.lastHour.slowest.map(({ duration_ms }) => duration_ms)).toEqual([60, 50, 40, 30]);
  await clock.advance(60 * 60_000);
  expect(wakes.lastHour).toEqual({ last_hour: 0, slowest: [] });
  expect(counted('connection')).toBe(24);
});
