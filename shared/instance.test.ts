import { describe, expect, it } from 'vitest';
import {
  canTransition,
  INSTANCE_PHASES,
  type InstancePhase,
  lifecycleStatus,
  PHASE_TRANSITIONS,
} from './instance.ts';

/** All phases that can be reached from `first`, including `first`. */
function reachableFrom(first: InstancePhase): Set<InstancePhase> {
  const seen = new Set<InstancePhase>();
  const visit = (phase: InstancePhase): void => {
    if (seen.has(phase)) return;
    seen.add(phase);
    for (const next of PHASE_TRANSITIONS[phase]) visit(next);
  };
  visit(first);
  return seen;
}

describe('the phase transitions', () => {
  it.each(INSTANCE_PHASES)('lead from %s to every other phase', (phase) => {
    expect(reachableFrom(phase)).toEqual(new Set(INSTANCE_PHASES));
  });

  it('contain only known phases, each once, and never the phase itself', () => {
    for (const [from, targets] of Object.entries(PHASE_TRANSITIONS)) {
      expect(new Set(targets).size).toBe(targets.length);
      expect(targets).not.toContain(from);
      for (const to of targets) expect(INSTANCE_PHASES).toContain(to);
    }
  });

  it('let an instance start only after it waited for a start slot', () => {
    const beforeRunning = INSTANCE_PHASES.filter((phase) => canTransition(phase, 'running'));
    expect(beforeRunning).toEqual(['queued', 'starting', 'unresponsive', 'waking']);
    expect(INSTANCE_PHASES.filter((phase) => canTransition(phase, 'starting'))).toEqual(['queued']);
  });

  it('pass through stopping wherever a process has to be stopped', () => {
    for (const phase of ['starting', 'running', 'unresponsive'] as const) {
      expect(canTransition(phase, 'stopping')).toBe(true);
      expect(canTransition(phase, 'stopped')).toBe(false);
    }
  });
});

describe('the status of the lifecycle API', () => {
  it('is defined for every phase', () => {
    expect(Object.fromEntries(INSTANCE_PHASES.map((phase) => [phase, lifecycleStatus(phase)]))).toEqual({
      stopped: 'Stopped',
      queued: 'Starting',
      starting: 'Starting',
      running: 'Running',
      unresponsive: 'Failed',
      backing_off: 'Starting',
      stopping: 'Stopped',
      asleep: 'Stopped',
      waking: 'Starting',
      failed: 'Failed',
    });
  });
});
