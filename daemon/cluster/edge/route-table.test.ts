import { expect, it } from 'vitest';
import type { Entry } from '../coordinator.ts';
import type { OwnerRecord } from '../records.ts';
import type { RouteRecord } from '../routes/route.ts';
import { RouteTable } from './route-table.ts';

const hosts = {
  api: 'api.example.com',
  auth: 'auth.example.com',
  databaseSuffix: '.db.example.com',
};
const table = new RouteTable({ fleet: 'f', controlPlane: 'global', hosts });

const entry = (key: string, value: object): [string, Entry] => [
  key,
  { key, value: JSON.stringify(value), revision: 1, session: null },
];
const owner = (name: string, node: string | null, epoch: number) =>
  entry(`owners/f/${name}`, {
    node,
    epoch,
    since: '2026-01-15T08:30:00.000Z',
    source: null,
  } satisfies OwnerRecord);
const route = (name: string, epoch: number, change: Partial<RouteRecord> = {}) =>
  entry(`routes/f/${name}`, {
    node: 'n1',
    epoch,
    address: '10.0.0.1',
    port: 9001,
    state: 'open',
    ...change,
  } satisfies RouteRecord);
const destination = (name: string, owners: readonly [string, Entry][], routes: readonly [string, Entry][]) =>
  table.destinationOf(name, { owners: new Map(owners), routes: new Map(routes) });

it('leads to the owner of a name', () => {
  const open = { address: '10.0.0.1', port: 9001 };
  expect(destination('a', [owner('a', 'n1', 2)], [route('a', 2)])).toEqual(open);
  expect(destination('api', [owner('global', 'n1', 2)], [route('api', 2)])).toEqual(open);
});

it('knows no name without an owner, nor a deleted one', () => {
  expect(destination('a', [owner('b', 'n1', 1)], [route('a', 1)])).toBeNull();
  expect(
    destination('a', [owner('a', 'n1', 1)], [route('a', 1, { state: 'deleted', port: null })]),
  ).toBeNull();
});

it('lets requests wait while a name moves, and not while it is closed', () => {
  expect(destination('a', [owner('a', 'n1', 1)], [])).toBe('moving');
  expect(destination('a', [owner('a', null, 1)], [route('a', 1)])).toBe('moving');
  expect(destination('a', [owner('a', 'n2', 2)], [route('a', 1)])).toBe('moving');
  expect(destination('a', [owner('a', 'n1', 2)], [route('a', 1)])).toBe('moving');
  expect(destination('a', [owner('a', 'n1', 1)], [route('a', 1, { state: 'closed', port: null })])).toBe(
    'closed',
  );
});

it('has a host for each name, and two for the control plane', () => {
  expect(['api', 'global', '2026-01-15-001-ann'].map((name) => table.hostOf(name))).toEqual([
    'api.example.com',
    'auth.example.com',
    '2026-01-15-001-ann.db.example.com',
  ]);
  expect(table.namesOf('owners/f/global')).toEqual(['global', 'api']);
  expect(table.namesOf('routes/f/global')).toEqual(['global']);
});

it('knows only names that Fathom gives: they become parts of commands', () => {
  expect(table.namesOf('owners/f/2026-01-15-001-ann')).toEqual(['2026-01-15-001-ann']);
  for (const name of ['a', '', '2026-01-15-001-ann x', '2026-01-15-001-ann;show', 'x\nset map', '../global '])
    expect(table.namesOf(`routes/f/${name}`), name).toEqual([]);
});
