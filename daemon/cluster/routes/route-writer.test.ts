import { describe, expect, it, onTestFinished } from 'vitest';
import { hasEtcd, startEtcd } from '../../../test/helpers/etcd.ts';
import { etcdCoordinator } from '../../../test/helpers/etcd-coordinator.ts';
import { MemoryCoordinator, MemoryStore } from '../../../test/helpers/memory-coordinator.ts';
import { silentLog } from '../../../test/helpers/silent-log.ts';
import { until } from '../../../test/helpers/until.ts';
import { systemClock } from '../../base/time/clock.ts';
import { Claims } from '../claims.ts';
import type { Coordinator } from '../coordinator.ts';
import { parseRoute, routesOf } from './route.ts';
import { RouteWriter } from './route-writer.ts';

function testRoutes(open: () => Promise<() => Coordinator>): void {
  async function createStage() {
    const connect = await open();
    const reader = connect();
    const node = (name: string, { session = () => null as string | null } = {}) => {
      const coordinator = connect();
      const facts = {
        node: name,
        fleet: 'f',
        address: `10.0.0.${name.slice(1)}`,
        takeover: true,
        secrets: 's',
      };
      const claims = new Claims({ coordinator, facts, clock: systemClock });
      const routes = new RouteWriter({
        coordinator,
        facts,
        controlPlane: 'global',
        session,
        epochOf: (of) => claims.ownershipOf(of)?.epoch ?? null,
        clock: systemClock,
        log: silentLog,
      });
      const end = new AbortController();
      const kept = routes.keep(end.signal);
      const leave = async () => {
        end.abort();
        await kept;
      };
      onTestFinished(leave);
      return { coordinator, claims, routes, leave };
    };
    const stored = async () => {
      const entries = await reader.list(routesOf('f'));
      return Object.fromEntries(
        entries.map((entry) => [entry.key.slice('routes/f/'.length), parseRoute(entry)]),
      );
    };
    const untilStored = (isSo: (routes: Awaited<ReturnType<typeof stored>>) => boolean) =>
      until(async () => isSo(await stored()), { what: async () => JSON.stringify(await stored()) });
    return { reader, node, stored, untilStored };
  }

  it('writes the route of a name that the node claims while its record is read', async () => {
    const { node, stored, untilStored } = await createStage();
    const { coordinator, claims, routes } = node('n1');
    const get = coordinator.get.bind(coordinator);
    const [asked, claimed] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
    coordinator.get = async (key) => {
      const entry = await get(key);
      coordinator.get = get;
      asked.resolve();
      await claimed.promise;
      return entry;
    };
    routes.set('a', { state: 'open', port: 9001 });
    await asked.promise;
    await claims.problem('a');
    routes.noteOwner('a');
    claimed.resolve();
    await untilStored((all) => all['a'] !== undefined);
    expect((await stored())['a']).toMatchObject({ node: 'n1', epoch: 1, port: 9001 });
  });

  it('writes where a name that the node owns is reached, until it moves', async () => {
    const { node, stored, untilStored } = await createStage();
    const { claims, routes, leave } = node('n1');
    for (const name of ['global', 'a', 'b']) await claims.problem(name);
    routes.set('a', { state: 'open', port: 9001 });
    routes.set('b', { state: 'closed' });
    routes.set('api', { state: 'open', port: 3000 });
    await untilStored((all) => Object.keys(all).length === 3);
    expect(await stored()).toEqual({
      a: { node: 'n1', epoch: 1, address: '10.0.0.1', port: 9001, state: 'open' },
      api: { node: 'n1', epoch: 1, address: '10.0.0.1', port: 3000, state: 'open' },
      b: { node: 'n1', epoch: 1, address: '10.0.0.1', port: null, state: 'closed' },
    });
    routes.set('a', { state: 'moving' });
    await untilStored((all) => !Object.hasOwn(all, 'a'));
    await leave();
    await routes.withdraw();
    expect(await stored()).toEqual({});
  });

  it('leaves the route of the next owner', async () => {
    const { reader, node, stored, untilStored } = await createStage();
    const [one, two] = [node('n1'), node('n2')];
    await one.claims.problem('a');
    one.routes.set('a', { state: 'open', port: 9001 });
    await untilStored((all) => all['a']?.node === 'n1');
    await one.claims.recordSource('a', 'HOST/a/e1');
    await one.claims.freeReplicated();
    expect(await two.claims.problem('a')).toBeNull();
    two.routes.set('a', { state: 'open', port: 9002 });
    await untilStored((all) => all['a']?.node === 'n2');
    one.routes.set('a', { state: 'closed' });
    one.routes.set('b', { state: 'closed' });
    await one.claims.problem('c');
    one.routes.set('c', { state: 'closed' });
    await untilStored((all) => Object.hasOwn(all, 'c'));
    await one.leave();
    await one.routes.withdraw();
    expect(await stored()).toEqual({
      a: { node: 'n2', epoch: 2, address: '10.0.0.2', port: 9002, state: 'open' },
    });
    expect(await reader.list('owners/f/')).toHaveLength(2);
  });

  it('writes many at once, also while owners change, and again when it owns them again', async () => {
    const { node, untilStored } = await createStage();
    const { claims, routes } = node('n1');
    const names = Array.from({ length: 120 }, (_, n) => `d${n}`);
    await Promise.all(names.map((name) => claims.problem(name)));
    for (const [n, name] of names.entries()) routes.set(name, { state: 'open', port: 9000 + n });
    await Promise.all(names.slice(0, 20).map((name) => claims.recordSource(name, `HOST/${name}/e1`)));
    await untilStored((all) => Object.keys(all).length === names.length);
    await claims.freeReplicated();
    expect(await claims.problem('d7')).toBeNull();
    routes.noteOwner('d7');
    await untilStored((all) => all['d7']?.epoch === 2);
  });

  it('ends with the session, and comes with the next one', async () => {
    const { reader, node, stored, untilStored } = await createStage();
    let session = await reader.openSession(60);
    const { claims, routes } = node('n1', { session: () => session });
    await claims.problem('a');
    routes.set('a', { state: 'open', port: 9001 });
    await untilStored((all) => Object.hasOwn(all, 'a'));
    await reader.closeSession(session);
    expect(await stored()).toEqual({});
    session = await reader.openSession(60);
    routes.noteSession();
    await untilStored((all) => all['a']?.port === 9001);
  });

  it('forgets routes to databases that have no owner any more', async () => {
    const { node, stored, untilStored } = await createStage();
    const { claims, routes, leave } = node('n1');
    await claims.problem('a');
    await claims.problem('b');
    for (const name of ['a', 'b']) routes.set(name, { state: 'deleted' });
    await untilStored((all) => Object.keys(all).length === 2);
    await leave();
    await claims.prune(['a']);
    node('n1');
    await untilStored((all) => !Object.hasOwn(all, 'a'));
    expect(Object.keys(await stored())).toEqual(['b']);
  });
}

describe('routes in memory', () => {
  it('waits before it writes again without a session', async () => {
    const coordinator = new MemoryCoordinator(new MemoryStore(systemClock));
    let commits = 0;
    const refusing: Coordinator = Object.assign(Object.create(coordinator) as Coordinator, {
      get: (key: string) => coordinator.get(key),
      list: (prefix: string) => coordinator.list(prefix),
      commit: async () => {
        commits += 1;
        if (commits > 100) throw new Error('it does not wait');
        return false;
      },
    });
    const facts = { node: 'n1', fleet: 'f', address: '10.0.0.1', takeover: true, secrets: 's' };
    const claims = new Claims({ coordinator, facts, clock: systemClock });
    await claims.problem('a');
    const end = new AbortController();
    const routes = new RouteWriter({
      coordinator: refusing,
      facts,
      controlPlane: 'global',
      session: () => 'ended',
      epochOf: (of) => claims.ownershipOf(of)?.epoch ?? null,
      clock: { ...systemClock, sleep: async () => end.abort() },
      log: silentLog,
    });
    routes.set('a', { state: 'open', port: 9001 });
    await routes.keep(end.signal);
    expect([end.signal.aborted, commits]).toEqual([true, 6]);
  });

  testRoutes(async () => {
    const store = new MemoryStore(systemClock);
    return () => new MemoryCoordinator(store);
  });
});

describe.skipIf(!hasEtcd('the tests of routes'))('routes in etcd', () => {
  testRoutes(async () => {
    const { url } = await startEtcd();
    return () => etcdCoordinator({ endpoints: [url] });
  });
});
