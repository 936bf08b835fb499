import { beforeEach, describe, expect, it } from 'vitest';
import { Stage } from '../../test/helpers/runner-stage.ts';
import { untilSettled } from './rollout-plan.ts';
import { watchDatabase } from './watch-database.ts';

const never = new AbortController().signal;
let stage: Stage;

const answers = (does: boolean) => {
  for (const body of stage.driver.of('i0')) body.hung = !does;
};

beforeEach(async () => {
  stage = new Stage();
  stage.add(1);
  stage.first.start({ force: false });
  await stage.untilPhase('running');
});

const watch = (watchMs: number) =>
  watchDatabase(stage.first, { restarts: 0, watchMs, onRunning: () => {} }, stage.time, never);

/** The value of a promise, while time passes. */
async function resultOf<T>(promise: Promise<T>): Promise<T> {
  let isSettled = false;
  const settled = promise.finally(() => {
    isSettled = true;
  });
  await stage.until(() => isSettled, 'a result');
  return settled;
}

describe('a database whose turn has come', () => {
  it('is waited for when it does not answer for a moment', async () => {
    answers(false);
    await stage.untilPhase('unresponsive');
    const result = untilSettled(stage.first, stage.time, never);
    await stage.time.advance(500);
    answers(true);
    expect(await resultOf(result)).toBeNull();
    expect(stage.first.state.phase).toBe('running');
    await stage.close();
  });

  it('is waited for when it starts again', async () => {
    stage.restarts.baseMs = 20_000;
    let fails = 2;
    stage.fate = () => {
      fails -= 1;
      return fails >= 0
        ? { kind: 'dies', afterMs: 10, code: 1, says: 'it fails' }
        : { kind: 'serves', afterMs: 20 };
    };
    stage.first.restart();
    await stage.untilPhase('backing_off');
    expect(await resultOf(untilSettled(stage.first, stage.time, never))).toBeNull();
    expect(stage.first.state.phase).toBe('running');
    await stage.close();
  });

  it('is waited for while it is maintained', async () => {
    const work = Promise.withResolvers<void>();
    const maintained = stage.first.maintain(() => work.promise, { code: 'requested', message: 'maintained' });
    let hasEnded = false;
    const settled = untilSettled(stage.first, stage.time, never).finally(() => {
      hasEnded = true;
    });
    await stage.time.advance(5_000);
    expect(hasEnded).toBe(false);
    work.resolve();
    await maintained;
    expect(await resultOf(settled)).toBeNull();
    await stage.close();
  });

  it('is skipped after 30 seconds, with the reason why it does not run', async () => {
    stage.restarts.baseMs = 60_000;
    stage.fate = () => ({ kind: 'dies', afterMs: 10, code: 1, says: 'it fails' });
    stage.first.restart();
    await stage.untilPhase('backing_off');
    const begun = stage.time.monotonic();
    const { reason } = stage.first.state;
    expect(await resultOf(untilSettled(stage.first, stage.time, never))).toBe(
      `it does not run (${reason?.message}); fix that first`,
    );
    expect(stage.time.monotonic() - begun).toBeLessThanOrEqual(31_000);
    await stage.close();
  });
});

describe('a database that is watched', () => {
  it('stays changed when it does not answer for a moment, also at the end of the watch', async () => {
    for (const watchMs of [30_000, 6_500]) {
      const result = watch(watchMs);
      answers(false);
      await stage.untilPhase('unresponsive');
      answers(true);
      expect(await resultOf(result)).toBeNull();
    }
    await stage.close();
  });

  it('goes back when its process hangs until it is ended, also after the end of the watch', async () => {
    // The first probe has failed then, and the third one has not.
    const result = watch(6_500);
    answers(false);
    await stage.untilPhase('unresponsive');
    expect(await resultOf(result)).toContain('probes in a row failed');
    await stage.close();
  });
});
