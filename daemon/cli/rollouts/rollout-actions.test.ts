import { expect, it } from 'vitest';
import type { Rollout } from '../../../shared/api/rollouts.ts';
import { steeredLines } from './rollout-actions.ts';

const ROLLOUT: Rollout = {
  id: '20260115T100000-4f2a',
  kind: 'pocketbase',
  target: '0.40.6',
  status: 'paused',
  reason: null,
  started_at: '2026-01-15T10:00:00.000Z',
  total: 100,
  changed: 12,
  failed: 1,
  skipped: 2,
  wave: 2,
  waves: 6,
  active: [{ name: '2026-01-15-001-ann', watched: true }],
  problems: [],
  longest_unanswered_ms: 420,
};

it.each([
  ['paused', "'fathomd pocketbase resume'"],
  ['running', "'fathomd pocketbase status --follow'"],
  ['aborted', '12 changed databases stay changed, 85 are as before'],
] as const)('says how a rollout goes on that is %s', (status, next) => {
  const lines = steeredLines({ ...ROLLOUT, status });
  expect(lines[0]).toContain(`${ROLLOUT.id} of PocketBase 0.40.6 is ${status}; 15 of 100`);
  expect(lines.join('\n')).toContain('2026-01-15-001-ann is watched');
  expect(lines.at(-1)).toContain(next);
});

it('names nothing in progress when there is nothing', () => {
  expect(steeredLines({ ...ROLLOUT, active: [] })).toHaveLength(2);
});
