import { describe, expect, it } from 'vitest';
import type { Peer } from './peer.ts';
import { type PeerRule, peerProblem } from './peer-rule.ts';

const DAEMON = 100;
const INSTANCE = 200;
const OWN = 999;
const ADMINS = 50;

/** `pid: [parent, session]` */
const PROCESSES: Record<number, [parent: number, session: number]> = {
  10: [1, 10],
  [DAEMON]: [10, 10],
  101: [DAEMON, 10],
  102: [DAEMON, 10],
  103: [102, 10],
  [INSTANCE]: [101, INSTANCE],
  201: [INSTANCE, INSTANCE],
  202: [1, INSTANCE],
  300: [10, 10],
};

const RULE: PeerRule = {
  uid: OWN,
  pid: DAEMON,
  gid: ADMINS,
  instances: new Set([INSTANCE]),
  isInInstance: () => false,
  ownPrograms: new Set([102]),
  relationsOf: (pid) => {
    const [parent, session] = PROCESSES[pid] ?? [];
    return parent === undefined || session === undefined ? null : { parent, session };
  },
};

const peer = (changes: Partial<Peer>): Peer => ({ pid: 300, uid: OWN, gid: OWN, groups: [], ...changes });

describe('the local socket', () => {
  it.each<[string, Partial<Peer>, Partial<PeerRule>?]>([
    ['the user of the daemon', {}],
    ['the daemon itself', { pid: DAEMON }],
    ['a program of Fathom that it runs', { pid: 102 }],
    ['root', { uid: 0, gid: 0 }],
    ['a member of the group', { uid: 1000, gid: 1000, groups: [7, ADMINS] }],
    ['a user whose first group it is', { uid: 1000, gid: ADMINS }],
    ['a process in another container', { pid: 0 }],
    ['root, in a daemon of root', { uid: 0 }, { uid: 0 }],
  ])('admits %s', (_name, changes, rule) => {
    expect(peerProblem(peer(changes), { ...RULE, ...rule })).toBeNull();
  });

  it.each<[string, Partial<Peer>, Partial<PeerRule>?]>([
    ['another user', { uid: 1000, gid: 1000, groups: [7] }],
    ['another user without a group of the socket', { uid: 1000, gid: ADMINS }, { gid: null }],
    ['an instance', { pid: INSTANCE }],
    ['an instance of root', { pid: INSTANCE, uid: 0 }, { uid: 0 }],
    ['a child of an instance', { pid: 201 }],
    ['a child of an instance whose parent has ended', { pid: 202 }],
    ['a handler, a child of the daemon', { pid: 101 }],
    ['a child of a program of Fathom', { pid: 103 }],
    ['a process in the cgroup of an instance', {}, { isInInstance: () => true }],
    ['a process that has ended', { pid: 4711 }],
  ])('refuses %s', (_name, changes, rule) => {
    expect(peerProblem(peer(changes), { ...RULE, ...rule })).not.toBeNull();
  });

  it('ends with processes that are each other’s parent', () => {
    const rule = { ...RULE, relationsOf: (pid: number) => ({ parent: pid === 300 ? 301 : 300, session: 1 }) };
    expect(peerProblem(peer({}), rule)).toBeNull();
  });
});
