import { describe, expect, it } from 'vitest';
import type { InstancePhase } from '../../../../shared/instance.ts';
import { drainResult } from './drain-result.ts';

type Node = Parameters<typeof drainResult>[0];

function drained(left: number, failed = 0): Node {
  const problems = failed === 0 ? [] : [{ name: 'a', message: 'it is archived' }];
  const progress = { left, moving: 0, failed, problems };
  return {
    name: 'n1',
    state: 'online',
    receiving: [],
    drain: { since: '2026-01-15T08:30:00.000Z', purpose: 'upgrade', control_plane: true, progress },
  };
}

const database = (name: string, phase: InstancePhase, node = 'n1') => ({
  name,
  kind: 'user' as const,
  node,
  phase,
});
const CONTROL_PLANE = { ...database('global', 'running'), kind: 'global' as const };

describe('the upgrade of a node that was drained', () => {
  it('begins when no database is left', () => {
    const others = [CONTROL_PLANE, database('a', 'running', 'n2')];
    expect(drainResult(drained(0), others)).toEqual({ problem: null, stay: [] });
  });

  it('begins when only databases without a process are left', () => {
    const databases = [CONTROL_PLANE, database('a', 'asleep'), database('b', 'backing_off')];
    expect(drainResult(drained(2, 2), databases)).toEqual({ problem: null, stay: ['a', 'b'] });
  });

  it('does not begin while a database runs that the node has not counted', () => {
    expect(drainResult(drained(0), [database('a', 'running')]).problem).toContain('a');
  });

  it('does not begin while a database moves to the node', () => {
    const receiving = [{ name: 'a', bytes: 0 }];
    expect(drainResult({ ...drained(0), receiving }, []).problem).toContain('a is moving to n1');
  });

  it.each(['running', 'starting'] as const)('does not begin while a database is %s', (phase) => {
    const { problem } = drainResult(drained(2, 2), [database('a', 'asleep'), database('b', phase)]);
    expect(problem).toBe('databases that run on n1 could not be moved: b (a: it is archived)');
  });

  it.each<[string, Node]>([
    ['was undrained', { ...drained(1), drain: null }],
    ['is offline', { ...drained(0), state: 'offline' }],
    ['has not looked', { ...drained(0), drain: { ...drained(0).drain, progress: null } as Node['drain'] }],
  ])('does not begin when the node %s', (expected, node) => {
    expect(drainResult(node, []).problem).toContain(expected);
  });
});
