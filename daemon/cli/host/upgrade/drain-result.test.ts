import { describe, expect, it } from 'vitest';
import { drainResult } from './drain-result.ts';

type Node = Parameters<typeof drainResult>[0];

function drained(left: number, failed = 0): Node {
  const problems = failed === 0 ? [] : [{ name: 'a', message: 'it is archived' }];
  const progress = { left, moving: 0, failed, problems };
  return {
    name: 'n1',
    state: 'online',
    drain: { since: '2026-01-15T08:30:00.000Z', purpose: 'upgrade', control_plane: true, progress },
  };
}

const database = (name: string, phase: 'running' | 'asleep' | 'starting' | 'stopped', node = 'n1') => ({
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
    const databases = [CONTROL_PLANE, database('a', 'asleep'), database('b', 'stopped')];
    expect(drainResult(drained(2, 2), databases)).toEqual({ problem: null, stay: ['a', 'b'] });
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
