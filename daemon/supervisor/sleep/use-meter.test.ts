import { beforeEach, expect, it } from 'vitest';
import { ManualTime } from '../../../test/helpers/manual-time.ts';
import { UseMeter } from './use-meter.ts';

const MINUTE = 60_000;
const REQUEST_BYTES = 500;

let clock: ManualTime;
let bytes: number | null;
let meter: UseMeter;

beforeEach(async () => {
  clock = new ManualTime();
  // PocketBase's own jobs run at the beginning of the hour.
  await clock.advance(30 * MINUTE);
  bytes = 10_000;
  meter = new UseMeter(clock, () => bytes);
});

it('counts the start of a process as use for sleep, and not as the last use', async () => {
  await clock.advance(MINUTE);
  bytes = 50_000;
  expect(meter.idleMs()).toBe(0);
  expect(meter.lastUsedAt).toBeNull();
});

it('keeps the time of the last request', async () => {
  await clock.advance(5 * MINUTE);
  bytes = 10_000 + REQUEST_BYTES;
  expect(meter.idleMs()).toBe(0);
  const usedAt = clock.now().getTime();
  await clock.advance(5 * MINUTE);
  expect(meter.idleMs()).toBe(5 * MINUTE);
  expect(meter.lastUsedAt).toBe(usedAt);
});

it('counts no probe of the daemon', async () => {
  await clock.advance(5 * MINUTE);
  const probe = meter.withoutUse(async () => {
    bytes = 10_000 + REQUEST_BYTES;
    return null as never;
  });
  await probe(...([] as unknown as Parameters<typeof probe>));
  expect(meter.idleMs()).toBe(5 * MINUTE);
  expect(meter.lastUsedAt).toBeNull();
});

it('counts use that cannot be read as use', async () => {
  await clock.advance(5 * MINUTE);
  bytes = null;
  expect(meter.idleMs()).toBe(0);
  expect(meter.lastUsedAt).toBe(clock.now().getTime());
});
