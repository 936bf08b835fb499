import { expect, it } from 'vitest';
import type { InstancePhase } from '../../../shared/instance.ts';
import { instance } from '../../../test/console/fleet-fixtures.ts';
import { initialState } from '../../store/fleet/fleet-state.ts';
import { collectionsRequest } from './instance-data.ts';

const NAME = '2026-11-21-001-user001';

function versionIn(phase: InstancePhase): string | undefined {
  const fleet = { ...initialState(0), instances: new Map([[NAME, instance(NAME, { phase })]]) };
  return collectionsRequest({ fleet }, NAME).version;
}

it('loads the collections again when a database stops or fails', () => {
  const running = versionIn('running');
  for (const phase of ['stopped', 'failed', 'starting'] as const) expect(versionIn(phase)).not.toBe(running);
});

it('does not load them again when it falls asleep, which would wake it', () => {
  const running = versionIn('running');
  for (const phase of ['stopping', 'asleep', 'waking'] as const) expect(versionIn(phase)).toBe(running);
});
