import { beforeEach, expect, it } from 'vitest';
import type { FleetEvent } from '../../../shared/events.ts';
import type { DatabaseRow } from '../../../shared/hooks/control-plane-routes.ts';
import { ManualTime } from '../../../test/helpers/manual-time.ts';
import { DatabasesElsewhere } from './databases-elsewhere.ts';
import type { DatabaseElsewhere } from './elsewhere-instance.ts';
import type { OtherNode } from './fleet-share.ts';

const NAME = '2026-01-15-001-johndoe';

let time: ManualTime;
let elsewhere: DatabasesElsewhere;
let events: FleetEvent[];
let route: ReturnType<OtherNode['route']>;

function database(desired: DatabaseRow['desired'] = 'running'): DatabaseElsewhere {
  const spec = {
    name: NAME,
    email: 'johndoe@example.com',
    createdAt: time.now().toISOString(),
    directory: `/databases/${NAME}`,
    pinnedVersion: null,
    binary: { version: '0.39.1' } as DatabaseElsewhere['spec']['binary'],
    limits: () => ({ memory_bytes: null, disk_bytes: null, sleep_after: 0 }),
    isDeveloper: () => false,
    access: () => 'app' as const,
    applications: () => [],
  };
  return {
    row: { name: NAME, user: 'user', port: 9001, desired } as DatabaseRow,
    other: { node: 'n2', address: '10.0.0.2', route: () => route, locate: async () => null },
    spec,
    urlOf: (port, address) => `http://${address}:${port}`,
    superuserToken: async () => '',
  };
}

beforeEach(() => {
  time = new ManualTime();
  elsewhere = new DatabasesElsewhere(time);
  events = [];
  // The instance of an event is read when it is needed.
  elsewhere.onChange((event) => events.push(JSON.parse(JSON.stringify(event))));
});

it.each([
  [{ state: 'open', address: '10.0.0.3', port: 9005 }, 'running', 'running', 'running', 9005],
  // The row of a database that was stopped just now is older.
  [{ state: 'closed' }, 'running', 'stopped', 'stopped', 9001],
  [{ state: 'failed' }, 'running', 'failed', 'running', 9001],
  [null, 'running', 'starting', 'running', 9001],
  [null, 'stopped', 'stopped', 'stopped', 9001],
] as const)('with the route %j and the row %s, it is %s', (seen, desiredInRow, phase, desired, port) => {
  route = seen;
  elsewhere.set(database(desiredInRow));
  const url = phase === 'running' ? 'http://10.0.0.3:9005' : null;
  expect(elsewhere.listed(NAME)?.state.view()).toMatchObject({ phase, desired, port, url, node: 'n2' });
});

it('publishes what changes, and when its phase has', async () => {
  route = null;
  elsewhere.set(database());
  const before = time.now();
  await time.advance(5_000);
  route = { state: 'open', address: '10.0.0.2', port: 9001 };
  elsewhere.noteRoutes([NAME, 'another']);
  elsewhere.noteRoutes([NAME]);
  elsewhere.set(database());
  const after = time.now();
  await time.advance(5_000);
  route = { state: 'open', address: '10.0.0.2', port: 9002 };
  elsewhere.noteRoutes([NAME]);
  expect(events).toMatchObject([
    { kind: 'instance.added', instance: { phase: 'starting', since: before.toISOString() } },
    { kind: 'instance.changed', instance: { phase: 'running', since: after.toISOString() } },
    { kind: 'instance.changed', instance: { port: 9002, since: after.toISOString() } },
  ]);
});

it('forgets what was deleted, and quietly what this node runs now', () => {
  route = null;
  elsewhere.set(database());
  route = { state: 'deleted' };
  elsewhere.noteRoutes([NAME]);
  // Its row is still there.
  elsewhere.set(database());
  expect(elsewhere.names()).toEqual([]);
  route = null;
  elsewhere.set(database());
  elsewhere.take(NAME);
  expect(events.map(({ kind }) => kind)).toEqual(['instance.added', 'instance.removed', 'instance.added']);
});
