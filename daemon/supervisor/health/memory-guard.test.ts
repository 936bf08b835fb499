import { beforeEach, expect, it } from 'vitest';
import { ManualTime } from '../../../test/helpers/manual-time.ts';
import { MemoryGuard } from './memory-guard.ts';

const MIB = 1024 * 1024;

let time: ManualTime;
let memory: Map<number, number>;
let readings: number[];
let available: number;
let guard: MemoryGuard;

beforeEach(() => {
  time = new ManualTime();
  memory = new Map();
  readings = [];
  available = 1000 * MIB;
  guard = new MemoryGuard(time, {
    ofProcess: (pid) => {
      readings.push(pid);
      return memory.get(pid) ?? null;
    },
    available: () => available,
  });
});

it('reports a process above its limit, with what it uses, and no other', async () => {
  memory.set(1, 10 * MIB).set(2, 10 * MIB);
  using one = guard.watch(1, () => 64 * MIB);
  using two = guard.watch(2, () => 64 * MIB);
  await time.advance(2_000);
  memory.set(1, 65 * MIB);
  await time.advance(2_000);
  expect([one.exceeded.aborted, two.exceeded.aborted]).toEqual([true, false]);
  expect(one.bytes).toBe(65 * MIB);
});

it('finds a fast growth at the next check, because the available memory of the host falls', async () => {
  memory.set(1, 10 * MIB);
  using watch = guard.watch(1, () => 64 * MIB);
  await time.advance(300);
  memory.set(1, 200 * MIB);
  available -= 190 * MIB;
  await time.advance(200);
  expect(watch.exceeded.aborted).toBe(true);
});

it('reads an idle instance every two seconds, and one that is close to its limit at every check', async () => {
  memory.set(1, 10 * MIB).set(2, 40 * MIB);
  using watches = new DisposableStack();
  for (const pid of memory.keys()) watches.use(guard.watch(pid, () => 64 * MIB));
  await time.advance(10_000);
  expect(readings.filter((pid) => pid === 1).length).toBeLessThanOrEqual(6);
  expect(readings.filter((pid) => pid === 2).length).toBeGreaterThanOrEqual(50);
});

it('reads nothing without a limit, and applies one that is set later', async () => {
  memory.set(1, 90 * MIB);
  let limit: number | null = null;
  using watch = guard.watch(1, () => limit);
  await time.advance(10_000);
  expect(readings).toEqual([]);
  limit = 64 * MIB;
  await time.advance(2_000);
  expect(watch.exceeded.aborted).toBe(true);
});

it('ends with the last watch, and starts again with the next one', async () => {
  const watch = guard.watch(1, () => 64 * MIB);
  watch[Symbol.dispose]();
  await time.advance(2_000);
  expect(time.sleeping).toBe(0);
  memory.set(1, 90 * MIB);
  using next = guard.watch(1, () => 64 * MIB);
  await time.advance(0);
  expect(next.exceeded.aborted).toBe(true);
});
