import { array, assert, integer, property, record, uniqueArray } from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Candidate, chooseNode, loadOf, placeAll, takeProblem, withMore } from './choose-node.ts';

const GIB = 1024 ** 3;

const candidate = record({
  node: integer({ min: 1, max: 99 }).map((number) => `n${number}`),
  running: integer({ min: 0, max: 1_000 }),
  sleeping: integer({ min: 0, max: 10_000 }),
  memory: integer({ min: 1, max: 64 }),
  free: integer({ min: 0, max: 100 }),
}).map(
  ({ node, running, sleeping, memory, free }): Candidate => ({
    node,
    databases: running + sleeping,
    running,
    memory_total_bytes: memory * GIB,
    memory_free_bytes: (memory * GIB * free) / 100,
  }),
);
const candidates = uniqueArray(candidate, { minLength: 1, maxLength: 8, selector: ({ node }) => node });
const isShort = (one: Candidate) => one.memory_free_bytes < one.memory_total_bytes * 0.1;

describe('the choice of a node', () => {
  it('does not depend on the order of the nodes', () => {
    assert(
      property(candidates, (all) => {
        expect(chooseNode(all.toReversed())).toBe(chooseNode(all));
      }),
    );
  });

  it('takes the lowest load, and a node without free memory only when all are so', () => {
    assert(
      property(candidates, (all) => {
        const chosen = all.find(({ node }) => node === chooseNode(all));
        if (chosen === undefined) throw new Error('no node');
        expect(isShort(chosen)).toBe(all.every(isShort));
        for (const other of all.filter((one) => isShort(one) === isShort(chosen)))
          expect(loadOf(chosen)).toBeLessThanOrEqual(loadOf(other));
      }),
    );
  });

  it('gives a node that is chosen nothing more when it gets so much that another one has less', () => {
    assert(
      property(candidates, integer({ min: 1, max: 100 }), (all, count) => {
        const chosen = chooseNode(all);
        const next = all.map((one) => (one.node === chosen ? withMore(one, count) : one));
        const other = chooseNode(next);
        if (other !== chosen) return;
        const load = loadOf(next.find(({ node }) => node === chosen) as Candidate);
        for (const one of next.filter((each) => isShort(each) === all.every(isShort)))
          expect(load).toBeLessThanOrEqual(loadOf(one));
      }),
    );
  });

  it('spreads databases over equal nodes, until they differ by one', () => {
    assert(
      property(
        array(integer({ min: 0, max: 20 }), { minLength: 2, maxLength: 6 }),
        integer({ min: 200, max: 300 }),
        (counts, more) => {
          let all = counts.map(
            (running, index): Candidate => ({
              node: `n${index}`,
              databases: running,
              running,
              memory_total_bytes: 8 * GIB,
              memory_free_bytes: 4 * GIB,
            }),
          );
          for (let placed = 0; placed < more; placed += 1) {
            const chosen = chooseNode(all);
            all = all.map((one) => (one.node === chosen ? withMore(one, 1) : one));
          }
          const running = all.map((one) => one.running);
          expect(Math.max(...running) - Math.min(...running)).toBeLessThanOrEqual(1);
        },
      ),
    );
  });

  it('places each of several databases once, and none on a node that others have less than', () => {
    assert(
      property(candidates, integer({ min: 0, max: 60 }), (all, count) => {
        const names = Array.from({ length: count }, (_, index) => `d${index}`);
        const placed = placeAll(names, all);
        expect([...placed.keys()]).toEqual(names);
        const got = (node: string) => [...placed.values()].filter((one) => one === node).length;
        const able = all.filter((one) => isShort(one) === all.every(isShort));
        for (const one of able) {
          if (got(one.node) === 0) continue;
          const before = loadOf(withMore(one, got(one.node) - 1));
          for (const other of able)
            expect(before).toBeLessThanOrEqual(loadOf(withMore(other, got(other.node))));
        }
        expect(able.reduce((sum, { node }) => sum + got(node), 0)).toBe(count);
      }),
    );
  });

  it('has no node without candidates', () => {
    expect(chooseNode([])).toBeNull();
    expect(placeAll(['a'], [])).toEqual(new Map());
  });

  it('takes only nodes that can take databases', () => {
    const giver = { fleet: 'f', takeover: true, secrets: 's' };
    const target = { ...giver, serves: true };
    const problem = (change: object, isDrained = false) =>
      takeProblem({ ...target, ...change }, giver, { isDrained });
    expect(problem({})).toBeNull();
    expect(problem({}, true)).toContain('drained');
    for (const change of [{ fleet: 'g' }, { takeover: false }, { secrets: 't' }, { serves: false }])
      expect(problem(change)).not.toBeNull();
    expect(takeProblem(target, { ...giver, takeover: false }, { isDrained: false })).not.toBeNull();
  });
});
