import { beforeEach, describe, expect, it } from 'vitest';
import { NO_FILES, Stage } from '../../test/helpers/runner-stage.ts';

let stage: Stage;
beforeEach(() => {
  stage = new Stage();
});

/** Kills the running process `times` times, `uptimeMs` after each start. Records the waits between the runs. */
async function killAgainAndAgain(times: number, uptimeMs: number): Promise<number[]> {
  const waits: number[] = [];
  for (let crash = 0; crash < times; crash += 1) {
    await stage.untilPhase('running');
    await stage.time.advance(uptimeMs);
    const endedAt = stage.time.monotonic();
    for (const body of stage.driver.of('i0')) body.end({ code: null, signal: 'SIGKILL' });
    await stage.until(() => stage.first.state.phase !== 'running', 'the exit to be seen');
    await stage.until(() => stage.first.state.phase === 'running', 'the next run');
    waits.push(stage.time.monotonic() - endedAt);
  }
  return waits;
}

describe('a crash loop', () => {
  it('of an instance that has served never ends in `failed`, and its waits end at the cap', async () => {
    stage.random = () => 0.9999;
    stage.restarts.capMs = 8_000;
    stage.add(1);
    stage.first.start({ force: false });
    const waits = await killAgainAndAgain(50, 4_000);
    expect(Math.max(...waits)).toBeLessThan(9_000);
    expect(waits.slice(10).every((wait) => wait >= 7_900)).toBe(true);
    expect(stage.first.state.view()).toMatchObject({
      phase: 'running',
      attempt: 50,
      max_attempts: null,
      restarts: 50,
      crashes: { count: 50 },
      reason: { code: 'crashing', message: expect.stringMatching(/^50 crashes in \d+ minutes; .*SIGKILL/) },
    });
    await stage.close();
  });

  it('ends after ten minutes without a crash, and with a command of a person', async () => {
    stage.random = () => 0;
    stage.add(1);
    stage.first.start({ force: false });
    await killAgainAndAgain(3, 1_000);
    await stage.time.advance(9 * 60_000);
    stage.first.state.endCrashes();
    expect(stage.first.state.view()).toMatchObject({ reason: { code: 'crashing' }, attempt: 0 });
    await stage.time.advance(60_000);
    stage.first.state.endCrashes();
    expect(stage.first.state.view()).toMatchObject({ reason: null, crashes: null, restarts: 3 });

    await killAgainAndAgain(3, 1_000);
    stage.first.restart();
    await stage.untilPhase('stopping');
    await stage.untilPhase('running');
    expect(stage.first.state.view()).toMatchObject({ reason: null, crashes: null, attempt: 0 });
    await stage.close();
  });

  it('starts again after ten minutes of running', async () => {
    stage.random = () => 0;
    stage.add(1);
    stage.first.start({ force: false });
    await killAgainAndAgain(2, 11 * 60_000);
    expect(stage.first.state.view()).toMatchObject({ crashes: { count: 1 }, reason: null });
    await stage.close();
  });

  it('of an instance that has never served ends in `failed`', async () => {
    stage.hasServed = false;
    stage.restarts.maxAttempts = 4;
    stage.fate = () => ({ kind: 'dies', afterMs: 5, code: 1, says: 'x' });
    stage.add(1);
    stage.first.start({ force: false });
    await stage.untilPhase('failed');
    expect(stage.first.state.view()).toMatchObject({ attempt: 4, max_attempts: 4, crashes: { count: 4 } });
    await stage.close();
  });

  it('goes on when it has served with this daemon only', async () => {
    stage.hasServed = false;
    stage.restarts.maxAttempts = 2;
    stage.add(1);
    stage.first.start({ force: false });
    await killAgainAndAgain(5, 1_000);
    expect(stage.first.state.view()).toMatchObject({ phase: 'running', max_attempts: null });
    await stage.close();
  });

  it('a database in a crash loop can fall asleep, and a wake starts it at once', async () => {
    stage.random = () => 0.9999;
    stage.add(1);
    stage.first.start({ force: false });
    await killAgainAndAgain(8, 1_000);
    expect(await stage.first.sleep({ code: 'idle', message: 'not used' })).toBeNull();
    await stage.untilPhase('asleep');
    expect(stage.first.state.view()).toMatchObject({ reason: { code: 'idle' } });
    const before = stage.time.monotonic();
    expect(stage.first.wake()).toBe(true);
    await stage.untilPhase('running');
    expect(stage.time.monotonic() - before).toBeLessThan(1_000);
    await stage.close();
  });

  it('external causes are no crashes', async () => {
    stage.fate = () => ({ kind: 'dies', afterMs: 5, code: 1, says: 'database or disk is full' });
    stage.add(1);
    stage.first.start({ force: false });
    await stage.until(() => stage.first.state.observed.attempt >= 12, 'many attempts');
    stage.fate = () => ({ kind: 'serves', afterMs: 5 });
    await stage.untilPhase('running');
    expect(stage.first.state.view()).toMatchObject({ reason: null, crashes: null });
    await stage.close();
  });
});

it('data that is away for a while is waited for, without an end', async () => {
  let isAway = true;
  const missing = { code: 'data_dir_missing', message: 'gone' } as const;
  stage.files = { ...NO_FILES, startProblem: () => Promise.resolve(isAway ? missing : null) };
  stage.add(1);
  stage.first.start({ force: false });
  await stage.until(() => stage.first.state.observed.attempt === 12, 'many attempts');
  expect(stage.first.state.view()).toMatchObject({
    max_attempts: null,
    reason: { code: 'data_dir_missing' },
  });
  isAway = false;
  const before = stage.time.monotonic();
  await stage.untilPhase('running');
  expect(stage.time.monotonic() - before).toBeLessThan(61_000);
  await stage.close();
});
