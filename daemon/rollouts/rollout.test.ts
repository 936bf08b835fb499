import { describe, expect, it } from 'vitest';
import { nextStep, type RolloutOutcome, type RolloutPlan, type RolloutProgress, wavesOf } from './rollout.ts';

const NAMES = ['a', 'b', 'c', 'd', 'e', 'f'];

function plan(changes: Partial<RolloutPlan> = {}): RolloutPlan {
  return {
    id: 'r',
    kind: 'pocketbase',
    hashes: {},
    target: '0.40.6',
    started_at: '2026-01-01T00:00:00.000Z',
    databases: NAMES,
    canary: 1,
    wave: 3,
    max_failures: 1,
    watch_s: 60,
    rehearse: false,
    back: false,
    backup: false,
    without_backup: false,
    ...changes,
  };
}

function progress(
  results: Record<string, RolloutOutcome['result']>,
  changes: Partial<RolloutProgress> = {},
): RolloutProgress {
  const outcomes = Object.entries(results).map(([database, result]): [string, RolloutOutcome] => [
    database,
    { database, result, at: '', message: null, unanswered_ms: null },
  ]);
  return {
    status: 'running',
    outcomes: new Map(outcomes),
    active: new Set(),
    watched: new Set(),
    accepted: 0,
    ...changes,
  };
}

describe('waves', () => {
  it('are the canary, and then equal parts', () => {
    expect(wavesOf(plan())).toEqual([['a'], ['b', 'c', 'd'], ['e', 'f']]);
    expect(wavesOf(plan({ canary: 0, wave: 4 }))).toEqual([
      ['a', 'b', 'c', 'd'],
      ['e', 'f'],
    ]);
    expect(wavesOf(plan({ canary: 2, wave: 0 }))).toEqual([
      ['a', 'b'],
      ['c', 'd', 'e', 'f'],
    ]);
  });

  it('begin when the one before has ended, its watch included', () => {
    expect(nextStep(plan(), progress({}))).toEqual({ kind: 'begin', databases: ['a'] });
    const watch = { active: new Set(['a']), watched: new Set(['a']) };
    expect(nextStep(plan(), progress({}, watch))).toEqual({ kind: 'wait' });
    expect(nextStep(plan(), progress({ a: 'changed' }))).toEqual({ kind: 'begin', databases: ['b', 'c'] });
  });
});

it('changes some databases at a time, and begins the next ones while others are watched', () => {
  const both = { active: new Set(['b', 'c']) };
  expect(nextStep(plan(), progress({ a: 'changed' }, both))).toEqual({ kind: 'wait' });
  const watched = { ...both, watched: new Set(['b', 'c']) };
  expect(nextStep(plan(), progress({ a: 'changed' }, watched))).toEqual({ kind: 'begin', databases: ['d'] });
});

it('halts when a canary fails, or more than max_failures others', () => {
  expect(nextStep(plan(), progress({ a: 'failed' }))).toMatchObject({ kind: 'halt' });
  const one = progress({ a: 'changed', b: 'failed' });
  expect(nextStep(plan(), one)).toEqual({ kind: 'begin', databases: ['c', 'd'] });
  const two = progress({ a: 'changed', b: 'failed', c: 'failed' });
  expect(nextStep(plan(), two)).toMatchObject({ kind: 'halt' });
  expect(nextStep(plan(), { ...two, accepted: 2 })).toEqual({ kind: 'begin', databases: ['d'] });
});

it('does nothing while it is paused, and finishes when all have ended', () => {
  expect(nextStep(plan(), progress({}, { status: 'paused' }))).toEqual({ kind: 'wait' });
  const all = progress({ a: 'changed', b: 'skipped', c: 'changed', d: 'changed', e: 'failed', f: 'changed' });
  expect(nextStep(plan(), all)).toEqual({ kind: 'finish' });
});
