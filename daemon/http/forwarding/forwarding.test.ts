import { expect, it } from 'vitest';
import { answererOf } from '../../../shared/api/contract/endpoint.ts';
import { ENDPOINTS } from '../../../shared/api/resources.ts';
import { systemClock } from '../../base/time/clock.ts';
import { createForwarding, type ForwardingDeps } from './forwarding.ts';

/** `n1` is the leader and runs `a` of `user-a`; this node runs `b` of `user-b`; `n3` runs `c` of `user-c`. */
function forwarding(leader: string | null = 'n1') {
  const owners: Record<string, string> = { a: 'n1', c: 'n3' };
  const share: ForwardingDeps['share'] = {
    self: { node: 'n2', fleet: 'f' },
    leader: leader === null ? null : { node: leader },
    elsewhere: (name) => {
      const node = owners[name] ?? (name === 'b' ? null : leader);
      return node === null ? null : { node };
    },
    apiOf: async () => ({ address: '10.0.0.1', port: 3000 }),
    isNode: () => false,
  };
  const catalog: ForwardingDeps['catalog'] = {
    findByUser: (id) => (id === 'user-b' ? {} : null),
    elsewhere: {
      findByUser: (id) =>
        ['user-a', 'user-c'].includes(id) ? { row: { name: id.replace('user-', '') } } : null,
    },
  };
  return createForwarding({ share, catalog, jwt: { secret: Buffer.alloc(64) }, clock: systemClock });
}

it.each([
  ['each', { name: 'c' }, null],
  ['leader', {}, 'n1'],
  ['database', { name: 'a' }, 'n1'],
  ['database', { name: 'b' }, null],
  ['database', { name: 'c' }, 'n3'],
  ['database', { name: 'new' }, 'n1'],
  ['account', { id: 'user-b' }, null],
  ['account', { id: 'user-c' }, 'n3'],
  ['account', { id: 'user-without' }, 'n1'],
] as const)('%s of %o is answered by %s', (answerer, params, node) => {
  expect(forwarding().nodeFor(answerer, params)).toBe(node);
});

it('answers what others do not own, as the leader', () => {
  const asLeader = forwarding(null);
  expect(asLeader.nodeFor('leader', {})).toBeNull();
  expect(asLeader.nodeFor('database', { name: 'new' })).toBeNull();
  expect(asLeader.nodeFor('database', { name: 'c' })).toBe('n3');
  expect(asLeader.nodeFor('account', { id: 'user-without' })).toBeNull();
});

const of = (answerer: string) =>
  ENDPOINTS.filter((endpoint) => answererOf(endpoint) === answerer).map(({ operationId }) => operationId);

it('knows the node of each operation', () => {
  const withDatabase = ENDPOINTS.filter(({ path }) => path.startsWith('/api/v1/databases/{name}'));
  const onLeader = ['deleteDatabase', 'undeleteDatabase', 'eraseDatabase'];
  expect(of('database')).toEqual(
    withDatabase.map(({ operationId }) => operationId).filter((id) => !onLeader.includes(id)),
  );
  expect(of('leader').filter((id) => !/Task|Queue|Schedule|DeadLetter/.test(id))).toEqual(
    expect.arrayContaining([
      'register',
      'createUser',
      'updateUser',
      'deleteUser',
      'deleteOwnAccount',
      'undeleteOwnAccount',
      'listTrash',
      ...onLeader,
    ]),
  );
  expect(of('account').toSorted()).toEqual([
    'exportUser',
    'getInstanceStatus',
    'initInstance',
    'stopInstance',
  ]);
  // These name files of a host, or ask about it.
  expect(of('each')).toEqual(expect.arrayContaining(['importArchive', 'getStatus', 'login', 'removeNode']));
});
