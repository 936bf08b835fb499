import { describe, expect, it } from 'vitest';
import { backingOff, failed, instance } from '../../../test/console/fleet-fixtures.ts';
import { filterInstances } from './filter.ts';

const all = [
  instance('2026-11-21-001-alice', { port: 9001 }),
  instance('2026-11-21-002-bob', { port: 9002, email: 'Bob@Example.com' }),
  backingOff('2026-11-21-003-carol'),
  failed('2026-11-21-004-dave'),
];
const names = (query: string) => filterInstances(all, query).map(({ name }) => name.slice(15));

describe('filterInstances', () => {
  it.each([
    ['alice', ['alice']],
    ['bob@example', ['bob']],
    ['FAILED', ['dave']],
    ['backing off', ['carol']],
    ['backing_off', ['carol']],
    ['broken', ['dave']],
    ['port_in_use', ['carol']],
    [':9002', ['bob']],
    ['!running', ['carol', 'dave']],
    ['!running !failed', ['carol']],
    ['2026 !bob running', ['alice']],
    ['nobody', []],
  ])('%s', (query, expected) => {
    expect(names(query)).toEqual(expected);
  });

  it('returns all instances for an empty query and for a single !', () => {
    expect(filterInstances(all, '  ')).toBe(all);
    expect(filterInstances(all, '!')).toBe(all);
  });
});
