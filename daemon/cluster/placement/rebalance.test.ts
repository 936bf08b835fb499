import { assert, integer, property, record, uniqueArray } from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Candidate } from './choose-node.ts';
import { rebalanceTarget, shareOf } from './rebalance.ts';

const GIB = 1024 ** 3;

const candidate = (node: string, databases: number, gib: number): Candidate => ({
  node,
  databases,
  running: 0,
  memory_total_bytes: gib * GIB,
  memory_free_bytes: gib * GIB,
});
const fleets = uniqueArray(
  record({
    number: integer({ min: 1, max: 99 }),
    databases: integer({ min: 0, max: 60 }),
    gib: integer({ min: 1, max: 16 }),
  }),
  { minLength: 1, maxLength: 6, selector: ({ number }) => number },
).map((all) => all.map(({ number, databases, gib }) => candidate(`n${number}`, databases, gib)));

const more = (one: Candidate) => shareOf({ ...one, databases: one.databases + 1 });

/** One node after the other moves a database, if it does. @returns the nodes afterwards, and the number of moves */
function settle(fleet: readonly Candidate[]) {
  const nodes = new Map(fleet.map((one) => [one.node, one]));
  const add = (node: string, count: number) => {
    const one = nodes.get(node);
    if (one) nodes.set(node, { ...one, databases: one.databases + count });
  };
  let moves = 0;
  for (let idle = 0; idle < nodes.size; ) {
    for (const { node } of fleet) {
      const own = nodes.get(node) as Candidate;
      const target = rebalanceTarget(
        own,
        [...nodes.values()].filter((one) => one.node !== node),
      );
      idle = target === null ? idle + 1 : 0;
      if (target === null) continue;
      moves += 1;
      add(node, -1);
      add(target, 1);
    }
  }
  return { nodes: [...nodes.values()], moves };
}

describe('the moves between nodes that run', () => {
  it('end, with as many databases as before, and none moves twice on average', () => {
    assert(
      property(fleets, (fleet) => {
        const total = fleet.reduce((sum, { databases }) => sum + databases, 0);
        const { nodes, moves } = settle(fleet);
        expect(nodes.reduce((sum, { databases }) => sum + databases, 0)).toBe(total);
        expect(Math.min(...nodes.map(({ databases }) => databases))).toBeGreaterThanOrEqual(0);
        expect(moves).toBeLessThanOrEqual(2 * total);
      }),
    );
  });

  it('leave no node fuller than the next one by a tenth and a database', () => {
    assert(
      property(fleets, (fleet) => {
        const { nodes } = settle(fleet);
        for (const one of nodes) {
          const others = nodes.filter(({ node }) => node !== one.node);
          const next = others.toSorted((a, b) => more(a) - more(b) || shareOf(b) - shareOf(a))[0];
          if (next === undefined) continue;
          const isClose = shareOf(one) <= shareOf(next) * 1.1;
          expect(isClose || more(next) > shareOf({ ...one, databases: one.databases - 1 })).toBe(true);
        }
      }),
    );
  });

  it('do not go back', () => {
    assert(
      property(fleets, (fleet) => {
        const [own, ...others] = fleet as [Candidate, ...Candidate[]];
        const target = others.find(({ node }) => node === rebalanceTarget(own, others));
        if (target === undefined) return;
        const less = { ...own, databases: own.databases - 1 };
        expect(rebalanceTarget({ ...target, databases: target.databases + 1 }, [less])).toBeNull();
      }),
    );
  });

  it('go by the memory of the nodes', () => {
    const own = candidate('n1', 10, 8);
    expect(rebalanceTarget(own, [])).toBeNull();
    expect(rebalanceTarget(own, [candidate('n2', 9, 8), candidate('n3', 10, 8)])).toBeNull();
    expect(rebalanceTarget(own, [candidate('n2', 9, 8), candidate('n3', 10, 16)])).toBe('n3');
    expect(rebalanceTarget(own, [{ ...candidate('n2', 0, 8), memory_free_bytes: GIB / 2 }])).toBeNull();
    expect(rebalanceTarget(candidate('n1', 1, 8), [candidate('n2', 0, 8)])).toBeNull();
    expect(rebalanceTarget(candidate('n1', 2, 8), [candidate('n2', 0, 8)])).toBe('n2');
  });
});
