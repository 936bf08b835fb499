import { expect, it } from 'vitest';
import { listDatabases } from '../../../shared/api/databases.ts';
import type { Runner } from '../../supervisor/runner.ts';
import { listRunners } from './database-list.ts';

const runner = (name: string, phase: string, port: number | null): Runner =>
  ({
    spec: { name, email: `${name}@example.com`, createdAt: '2026-01-15T10:00:00.000Z' },
    state: { phase, since: new Date(port ?? 0), observed: { port, restarts: 0 } },
  }) as unknown as Runner;

const SORTED = [runner('a', 'running', 3), runner('b', 'stopped', null), runner('c', 'running', 1)];

function names(query: Record<string, unknown>): string[] {
  return listRunners(SORTED, listDatabases.query.parse(query)).map(({ spec }) => spec.name);
}

it('sorts by each field, and by name where fields are equal', () => {
  expect(names({})).toEqual(['a', 'b', 'c']);
  expect(names({ sort: '-name' })).toEqual(['c', 'b', 'a']);
  expect(names({ sort: 'port' })).toEqual(['b', 'c', 'a']);
  expect(names({ sort: 'phase' })).toEqual(['a', 'c', 'b']);
  expect(names({ sort: '-phase' })).toEqual(['b', 'c', 'a']);
  expect(names({ sort: '-created_at' })).toEqual(['c', 'b', 'a']);
});

it('filters by phase, and by a part of the name or address', () => {
  expect(names({ phase: 'running' })).toEqual(['a', 'c']);
  expect(names({ search: 'b@' })).toEqual(['b']);
});
