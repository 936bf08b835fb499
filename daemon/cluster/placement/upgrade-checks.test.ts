import { expect, it } from 'vitest';
import { type NodeState, upgradeProblems } from './upgrade-checks.ts';

function state(
  node: string,
  record: Partial<NodeState['record']> = {},
  change: Partial<NodeState> = {},
): NodeState {
  const common = { fleet: 'f', takeover: true, secrets: 's', serves: true };
  return { record: { node, ...common, ...record }, isOnline: true, purpose: null, ...change };
}

it('allows the upgrade of a node while all others of its fleet can take databases', () => {
  const others = [state('n2'), state('n3'), state('n4', { fleet: 'g' }, { isOnline: false })];
  expect(upgradeProblems('n1', [state('n1'), ...others])).toEqual({ problems: [], peers: ['n2', 'n3'] });
});

it.each([null, 'maintenance', 'upgrade'] as const)('allows it for a node with the drain %s', (purpose) => {
  expect(upgradeProblems('n1', [state('n1', {}, { purpose }), state('n2')]).problems).toEqual([]);
});

it.each<[string, NodeState[], RegExp]>([
  ['the node is offline', [state('n1', {}, { isOnline: false }), state('n2')], /^n1 is offline$/],
  ['the node is not known', [state('n2')], /^n1 is offline$/],
  ['the node is starting', [state('n1', { serves: false }), state('n2')], /^n1 is starting/],
  ['there is no other one', [state('n1'), state('n2', { fleet: 'g' })], /^no other node has its fleet$/],
  [
    'another one is offline',
    [state('n1'), state('n2', {}, { isOnline: false })],
    /^n2 is offline: .*'fathomd nodes/,
  ],
  ['another one is drained', [state('n1'), state('n2', {}, { purpose: 'maintenance' })], /^n2 is drained: /],
  [
    'another one is upgraded',
    [state('n1'), state('n2', {}, { purpose: 'upgrade' })],
    /^n2 is drained for its upgrade: .*--cluster/,
  ],
  [
    'another one is starting',
    [state('n1'), state('n2', { serves: false })],
    /^n2 cannot take databases: .*start/,
  ],
  ['another one has no fence', [state('n1'), state('n2', { takeover: false })], /^n2 cannot .*FATHOM_FENCE/],
  ['another one has other secrets', [state('n1'), state('n2', { secrets: 't' })], /^n2 cannot .*secrets/],
])('refuses it when %s', (_, states, expected) => {
  expect(upgradeProblems('n1', states).problems).toEqual([expect.stringMatching(expected)]);
});

it('names all that is against it', () => {
  const others = [state('n2', {}, { isOnline: false }), state('n3', {}, { purpose: 'upgrade' })];
  expect(upgradeProblems('n1', [state('n1'), ...others]).problems).toHaveLength(2);
});
