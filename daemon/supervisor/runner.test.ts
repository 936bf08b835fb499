import { beforeEach, describe, expect, it } from 'vitest';
import type { PhaseReason } from '../../shared/api/instances.ts';
import { settle } from '../../test/helpers/manual-time.ts';
import { NO_FILES, Stage } from '../../test/helpers/runner-stage.ts';
import { dataDirOf } from './instance-spec.ts';
import type { Runner } from './runner.ts';

let stage: Stage;
beforeEach(() => {
  stage = new Stage();
});

describe('files that cannot be saved', () => {
  let isFull = true;
  beforeEach(() => {
    isFull = true;
    stage.files = {
      ...NO_FILES,
      unsafeToCloseReason: () => Promise.resolve({ code: 'data_dir_missing', message: 'deleted' }),
      rescue: () => (isFull ? Promise.reject(new Error('ENOSPC')) : Promise.resolve('/rescued')),
    };
    stage.add(1);
    stage.first.start({ force: false });
  });

  it('a stop keeps the process, with the reason, until there is space', async () => {
    await stage.untilPhase('running');
    stage.first.stop();
    await stage.until(() => stage.first.state.reason?.code === 'data_dir_missing', 'the reason');
    await stage.time.advance(60_000);
    expect(stage.first.state.view()).toMatchObject({ phase: 'stopping', pid: expect.any(Number) });
    expect(stage.driver.alive.size).toBe(1);
    isFull = false;
    await stage.untilPhase('stopped');
    expect(stage.driver.alive.size).toBe(0);
    await stage.close();
  });

  it('the end of the daemon does not wait for ever, and leaves the process to the next daemon', async () => {
    await stage.untilPhase('running');
    await stage.close('stop');
    expect(stage.driver.alive.size).toBe(1);
  });
});

it('ends an instance that uses more memory than its limit, with the reason, and starts it again', async () => {
  stage.limits = { memory_bytes: 64 * 1024 ** 2, disk_bytes: null, sleep_after: 0 };
  stage.fate = () => ({ kind: 'serves', afterMs: 500 });
  stage.add(1);
  stage.first.start({ force: false });
  await stage.untilPhase('running');
  const pid = stage.first.state.observed.pid ?? 0;
  stage.memory.set(pid, 65 * 1024 ** 2);
  await stage.until(() => stage.first.state.reason?.code === 'over_memory', 'the reason');
  await stage.until(
    () => stage.first.state.phase === 'running' && stage.first.state.reason === null,
    'running',
  );
  expect(stage.first.state.view()).toMatchObject({ last_exit: { ended_by: 'fathomd' }, restarts: 1 });
  expect(stage.first.state.observed.pid).not.toBe(pid);
  expect(stage.driver.alive.size).toBe(1);
  await stage.close();
});

describe('commands in each phase', () => {
  it('stop during a start, before there is a process', async () => {
    stage.add(1);
    for (let turns = 0; turns < 12; turns += 1) {
      stage.first.start({ force: false });
      await settle(turns);
      stage.first.stop();
      await stage.untilPhase('stopped');
      expect(stage.driver.alive.size).toBe(0);
    }
    expect(stage.faults).toEqual([]);
    await stage.close();
  });

  it('start leaves `failed` only after a stop', async () => {
    stage.add(1);
    stage.fate = () => ({ kind: 'dies', afterMs: 5, code: 1, says: 'file is not a database (26)' });
    stage.first.start({ force: false });
    await stage.untilPhase('failed');
    expect(stage.first.state.view()).toMatchObject({
      attempt: 3,
      max_attempts: 3,
      reason: { code: 'database_corrupt' },
    });
    stage.first.start({ force: false });
    await stage.time.advance(60_000);
    expect(stage.first.state.phase).toBe('failed');
    stage.first.stop();
    await stage.untilPhase('stopped');
    stage.fate = () => ({ kind: 'serves', afterMs: 5 });
    stage.first.start({ force: false });
    await stage.untilPhase('running');
    await stage.close();
  });

  it('a forced start ends a back-off within the call', async () => {
    stage.add(1);
    stage.random = () => 0.99;
    stage.fate = () => ({ kind: 'dies', afterMs: 5, code: 1, says: 'x' });
    stage.first.start({ force: false });
    await stage.until(
      () => stage.first.state.phase === 'backing_off' && stage.first.state.observed.attempt === 7,
      'a long back-off',
    );
    stage.fate = () => ({ kind: 'serves', afterMs: 5 });
    const before = stage.time.monotonic();
    stage.first.start({ force: true });
    expect(stage.first.state.phase).toBe('queued');
    await stage.untilPhase('running');
    expect(stage.time.monotonic() - before).toBeLessThan(1_000);
    expect(stage.first.state.view()).toMatchObject({ attempt: 0, next_attempt_at: null });
    await stage.close();
  });

  it('the end of its cause ends a back-off, and that of another one does not', async () => {
    stage.random = () => 0.99;
    let problem: PhaseReason | null = { code: 'cluster_unreachable', message: 'no lease' };
    stage.files = { ...NO_FILES, startProblem: async () => problem };
    stage.add(1);
    stage.first.start({ force: false });
    const isWaiting = () =>
      stage.first.state.phase === 'backing_off' && stage.first.state.observed.attempt === 7;
    await stage.until(isWaiting, 'a long back-off');
    problem = null;
    stage.first.retry('port_in_use');
    expect(isWaiting()).toBe(true);
    const before = stage.time.monotonic();
    stage.first.retry('cluster_unreachable');
    await stage.untilPhase('running');
    expect(stage.time.monotonic() - before).toBeLessThan(1_000);
    await stage.close();
  });

  it('a forced start keeps the process of a running or starting instance', async () => {
    stage.add(1);
    stage.first.start({ force: false });
    await stage.until(() => stage.first.state.observed.pid !== null, 'a process');
    const { pid } = stage.first.state.observed;
    stage.first.start({ force: true });
    await stage.untilPhase('running');
    stage.first.start({ force: true });
    await stage.time.advance(5_000);
    expect(stage.first.state.observed.pid).toBe(pid);
    await stage.close();
  });

  it('a restart starts a new process and does not count as a failure', async () => {
    stage.add(1);
    stage.first.start({ force: false });
    await stage.untilPhase('running');
    const { pid } = stage.first.state.observed;
    stage.first.restart();
    await stage.until(() => stage.first.state.observed.pid !== pid, 'another process');
    await stage.untilPhase('running');
    expect(stage.first.state.view()).toMatchObject({
      restarts: 0,
      attempt: 0,
      last_exit: { code: 0, ended_by: 'request' },
    });
    await stage.close();
  });

  it('a stop or close before its turn ends the process of an earlier daemon', async () => {
    for (const end of ['stop', 'close'] as const) {
      stage = new Stage();
      stage.add(2);
      const [blocking, waiting] = stage.runners as [Runner, Runner];
      stage.fate = () => ({ kind: 'serves', afterMs: 4_000 });
      blocking.start({ force: false });
      await stage.until(() => blocking.state.phase === 'starting', 'the only slot to be taken');
      const command = {
        name: waiting.spec.name,
        port: 9001,
        dataDir: dataDirOf(waiting.spec.directory),
        binary: waiting.spec.binary.path,
      };
      waiting.start({ force: false, adopt: stage.driver.leave(command) });
      await settle();
      expect(waiting.state.phase).toBe('queued');
      if (end === 'stop') {
        waiting.stop();
        await stage.untilPhase('stopped', waiting);
      } else {
        await stage.close();
      }
      expect(stage.driver.of(waiting.spec.name)).toEqual([]);
      await stage.close();
    }
  });

  it('an adopted process is watched, and keeps running with `leave`', async () => {
    stage.add(1);
    const command = {
      name: 'i0',
      port: 9000,
      dataDir: dataDirOf(stage.first.spec.directory),
      binary: process.execPath,
    };
    const found = stage.driver.leave(command);
    stage.first.start({ force: false, adopt: found });
    await stage.untilPhase('running');
    expect(stage.first.state.view()).toMatchObject({ pid: found.pid, restarts: 0, port: 9000 });
    await stage.close('leave');
    expect([...stage.driver.alive.keys()]).toEqual([found.pid]);
  });

  it('a start that takes too long releases its slot', async () => {
    stage.add(2);
    const [silent, healthy] = stage.runners as [Runner, Runner];
    stage.fate = () => ({ kind: 'silent' });
    silent.start({ force: false });
    await stage.until(() => silent.state.observed.pid !== null, 'the slot to be taken');
    stage.fate = () => ({ kind: 'serves', afterMs: 5 });
    healthy.start({ force: false });
    await stage.untilPhase('running', healthy);
    expect(silent.state.phase).toBe('starting');
    await stage.close();
  });

  it('a stable run resets the failures', async () => {
    stage.add(1);
    stage.first.start({ force: false });
    await stage.untilPhase('running');
    stage.driver.of('i0')[0]?.end({ code: 0, signal: null });
    await stage.until(() => stage.first.state.observed.restarts === 1, 'the exit to be seen');
    await stage.untilPhase('running');
    expect(stage.first.state.view()).toMatchObject({
      attempt: 1,
      restarts: 1,
      last_exit: { code: 0, ended_by: null },
    });
    await stage.time.advance(11_000);
    expect(stage.first.state.view()).toMatchObject({ attempt: 0, max_attempts: null, restarts: 1 });
    await stage.close();
  });

  it('the time of a hung process without a successful probe does not count as a stable run', async () => {
    stage.add(1);
    let starts = 0;
    stage.fate = () => {
      starts += 1;
      return { kind: 'serves', afterMs: 5 };
    };
    stage.first.start({ force: false });
    const attempts: number[] = [];
    for (let round = 1; round <= 3; round += 1) {
      await stage.until(() => stage.first.state.phase === 'running' && starts === round, `start ${round}`);
      for (const body of stage.driver.of('i0')) body.hung = true;
      await stage.until(() => stage.first.state.observed.restarts === round, 'a new process');
      attempts.push(stage.first.state.observed.attempt);
    }
    expect(attempts).toEqual([1, 2, 3]);
    await stage.close();
  });
});

it('an instance that gets a second sleep command while its process ends can be woken', async () => {
  stage.add(1);
  stage.first.start({ force: false });
  await stage.untilPhase('running');
  const idle = { code: 'idle', message: 'not used' } as const;
  // Its exit is not known yet.
  const both = [stage.first.sleep(idle), stage.first.sleep(idle)];
  await stage.untilPhase('asleep');
  await stage.time.advance(100);
  expect(await both[0]).toBeNull();
  expect(await both[1]).not.toBeNull();
  expect(stage.first.state.phase).toBe('asleep');
  expect(stage.first.wake()).toBe(true);
  await stage.untilPhase('running');
  await stage.close();
});

describe('maintenance', () => {
  const WHY = { code: 'requested', message: 'maintained' } as const;

  it('ends the process, runs the work without one, and starts the instance again', async () => {
    stage.add(1);
    const { state } = stage.first;
    stage.first.start({ force: false });
    await stage.untilPhase('running');
    const before = state.observed.pid;
    const seen: unknown[] = [];
    const done = stage.first.maintain(() => {
      seen.push(stage.driver.alive.size, state.reason?.message);
      return Promise.resolve();
    }, WHY);
    await stage.until(() => state.phase === 'running' && state.observed.pid !== before, 'another process');
    await done;
    expect(seen).toEqual([0, 'maintained']);
    expect(state.observed.restarts).toBe(0);
    expect(state.reason).toBeNull();
    await stage.close();
  });

  it('leaves a stopped instance stopped, and starts one that is started meanwhile', async () => {
    stage.add(1);
    await stage.first.maintain(() => Promise.resolve(), WHY);
    await stage.time.advance(1_000);
    expect(stage.first.state.phase).toBe('stopped');
    const work = Promise.withResolvers<void>();
    const done = stage.first.maintain(() => work.promise, WHY);
    stage.first.start({ force: false });
    await stage.time.advance(1_000);
    expect(stage.driver.alive.size).toBe(0);
    work.resolve();
    await done;
    await stage.untilPhase('running');
    await stage.close();
  });

  it('lets a sleeping instance sleep on, unless a connection waits', async () => {
    stage.add(1);
    stage.first.start({ force: false });
    await stage.untilPhase('running');
    await stage.first.sleep({ code: 'idle', message: 'not used' });
    await stage.untilPhase('asleep');
    await stage.first.maintain(() => Promise.resolve(), WHY);
    await stage.time.advance(1_000);
    expect(stage.first.state.view()).toMatchObject({ phase: 'asleep', reason: { code: 'idle' } });
    const work = Promise.withResolvers<void>();
    const done = stage.first.maintain(() => work.promise, WHY);
    stage.first.wake();
    await stage.time.advance(1_000);
    expect(stage.driver.alive.size).toBe(0);
    work.resolve();
    await done;
    await stage.untilPhase('running');
    await stage.close();
  });

  it('reports the error of the work, and refuses other work meanwhile and after the end', async () => {
    stage.add(1);
    const done = stage.first.maintain(() => Promise.reject(new Error('broken')), WHY);
    const refused = expect.objectContaining({ code: 'conflict' });
    await expect(stage.first.maintain(() => Promise.resolve(), WHY)).rejects.toEqual(refused);
    await expect(done).rejects.toThrow('broken');
    await stage.close();
    await expect(stage.first.maintain(() => Promise.resolve(), WHY)).rejects.toEqual(refused);
  });
});
