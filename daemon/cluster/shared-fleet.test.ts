import { expect, it } from 'vitest';
import { ManualTime } from '../../test/helpers/manual-time.ts';
import { MemoryCoordinator, MemoryStore } from '../../test/helpers/memory-coordinator.ts';
import { nodeRecord } from '../../test/helpers/node-record.ts';
import { silentLog } from '../../test/helpers/silent-log.ts';
import { Claims } from './claims.ts';
import { memberKey, nodeKey, ownersOf } from './records.ts';
import { routesOf } from './routes/route.ts';
import { SharedFleet } from './shared-fleet.ts';

const time = new ManualTime();

/** The leader n1, unless it follows. */
function createShare(coordinator: MemoryCoordinator, node = 'n1') {
  const facts = { node, fleet: 'f', takeover: true, secrets: 's' };
  const claims = new Claims({ coordinator, facts, clock: time });
  const share = new SharedFleet({
    coordinator,
    facts,
    controlPlane: 'global',
    claims,
    claimProblem: (name) => claims.problem(name),
    mayTakeOver: () => true,
    placeOrphans: async () => 0,
    onLeaderChanged: () => {},
    clock: time,
    log: silentLog,
  });
  return { claims, share };
}

it('lets the nodes of its fleet use its control plane as they join, again while it fails', async () => {
  const coordinator = new MemoryCoordinator(new MemoryStore(time), () => null);
  const { share } = createShare(coordinator);
  const joins = (node: string, address: string, fleet = 'f') => {
    const value = JSON.stringify(nodeRecord(node, time.now(), { address, fleet }));
    return coordinator.commit({ expect: [], put: [{ key: memberKey(node), value }] });
  };
  await joins('n1', '10.0.0.1');
  await joins('n2', '10.0.0.2');
  await share.readMembers();

  const calls: (readonly string[])[] = [];
  let problem: Error | null = null;
  share.admitOthers(async (addresses) => {
    calls.push(addresses);
    if (problem !== null) throw problem;
  });
  const left = new AbortController();
  const kept = share.keep(left.signal);
  await time.advance(2_000);
  expect(calls).toEqual([['10.0.0.2']]);

  problem = new Error('the global PocketBase does not answer');
  await joins('n3', 'db3.example.com');
  await joins('n4', '10.0.0.4', 'another fleet');
  await time.advance(2_000);
  problem = null;
  await time.advance(3_000);
  const all = ['10.0.0.2', 'db3.example.com'];
  expect(calls.slice(1)).toEqual([all, all, all]);

  left.abort();
  await kept;
});

it('reports moves also while it cannot read the addresses of other nodes', async () => {
  const link: { fault: 'before' | null } = { fault: null };
  const store = new MemoryStore(time);
  const coordinator = new MemoryCoordinator(store, () => link.fault);
  const { claims, share } = createShare(coordinator);
  const seen: unknown[] = [];
  share.onOwners(() => seen.push(share.elsewhere('a')?.address));
  const left = new AbortController();
  const kept = share.keep(left.signal);
  const since = time.now().toISOString();
  const value = JSON.stringify(nodeRecord('n2', time.now(), { address: '10.0.0.2' }));
  store.commit({ expect: [], put: [{ key: memberKey('n2'), value }] });
  link.fault = 'before';
  await share.noticeMoves(['a'], async () => {
    claims.noteOwned('a', { node: 'n2', epoch: 1, since, source: null });
  });
  expect(seen).toEqual(['n2']);
  link.fault = null;
  await time.advance(1_000);
  expect(seen).toEqual(['n2', '10.0.0.2']);
  left.abort();
  await kept;
});

it('knows whether it can use the control plane', async () => {
  const store = new MemoryStore(time);
  const coordinator = new MemoryCoordinator(store);
  const { share } = createShare(coordinator, 'n2');
  expect(await share.controlPlaneProblem()).toBeNull();
  const put = (key: string, value: object, session?: string) =>
    coordinator.commit({
      expect: [],
      put: [{ key, value: JSON.stringify(value), ...(session === undefined ? {} : { session }) }],
    });
  const at = time.now().toISOString();
  const session = await coordinator.openSession(1_000);
  await put(nodeKey('n1'), nodeRecord('n1', time.now()), session);
  await put(`${ownersOf('f')}global`, { node: 'n1', epoch: 1, since: at, source: 'HOST/global/e1' });
  const route = { node: 'n1', address: '10.0.0.1', port: 8090, epoch: 1, state: 'open' };
  await put(`${routesOf('f')}global`, route);
  expect(await share.follow()).toBe(true);
  expect(await share.controlPlaneProblem()).toBeNull();
  await put(`${routesOf('f')}global`, { ...route, state: 'closed', port: null });
  expect(await share.controlPlaneProblem()).toContain('control plane of node n1');
  await put(`${routesOf('f')}global`, route);
  expect(await share.controlPlaneProblem()).toBeNull();
  await coordinator.closeSession(session);
  expect(await share.controlPlaneProblem()).toContain('control plane of node n1');
});
