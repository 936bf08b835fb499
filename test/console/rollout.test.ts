import { expect, it } from 'vitest';
import type { Rollout } from '../../shared/api/rollouts.ts';
import { ago, fleetOf, globalInstance } from './fleet-fixtures.ts';
import { daemon, open } from './stage.ts';

const ROLLOUT: Rollout = {
  id: '20261121T100000-4f2a',
  kind: 'pocketbase',
  target: '0.40.6',
  status: 'running',
  reason: null,
  started_at: ago(60),
  total: 100,
  changed: 12,
  failed: 0,
  skipped: 0,
  wave: 2,
  waves: 6,
  active: [],
  problems: [],
  longest_unanswered_ms: 420,
};

it('shows a rollout in progress at once', async () => {
  const stub = await daemon([globalInstance(), ...fleetOf(3)]);
  stub.rollout = ROLLOUT;
  const screen = open({ url: stub.url });
  await screen.shows('PocketBase 0.40.6: 12 of 100');
});

it('shows the progress of a rollout until it ends', async () => {
  const stub = await daemon([globalInstance(), ...fleetOf(3)]);
  const screen = open({ url: stub.url });
  await screen.shows('● live', '3 databases');
  stub.publish({ kind: 'rollout.changed', rollout: ROLLOUT });
  await screen.shows('PocketBase 0.40.6: 12 of 100');
  stub.publish({ kind: 'rollout.changed', rollout: { ...ROLLOUT, failed: 2 } });
  await screen.shows('PocketBase 0.40.6: 14 of 100, 2 failed');
  stub.publish({ kind: 'rollout.changed', rollout: { ...ROLLOUT, status: 'halted', failed: 2 } });
  await screen.shows('PocketBase 0.40.6: 14 of 100, halted');
  expect(screen.lines.every((line) => line.length <= 80)).toBe(true);
  stub.publish({ kind: 'rollout.changed', rollout: { ...ROLLOUT, status: 'done', changed: 100 } });
  await screen.hides('PocketBase 0.40.6:');
});
