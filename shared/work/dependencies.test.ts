import * as fc from 'fast-check';
import { expect, it } from 'vitest';
import { validateDependency } from './dependencies.ts';

class Graph {
  readonly edges = new Map<string, string[]>();
  readonly blockedBy = (id: string) => this.edges.get(id) ?? [];

  add(blocker: string, blocked: string): void {
    this.edges.set(blocker, [...this.blockedBy(blocker), blocked]);
  }

  /** Whether an order exists in which every blocker comes before what it blocks (Kahn's algorithm). */
  hasOrder(): boolean {
    const waitsFor = new Map<string, number>();
    for (const targets of this.edges.values())
      for (const target of targets) waitsFor.set(target, (waitsFor.get(target) ?? 0) + 1);
    const items = new Set([...this.edges.keys(), ...waitsFor.keys()]);
    const ready = [...items].filter((id) => !waitsFor.has(id));
    for (const id of ready)
      for (const target of this.blockedBy(id)) {
        const rest = (waitsFor.get(target) ?? 0) - 1;
        waitsFor.set(target, rest);
        if (rest === 0) ready.push(target);
      }
    return ready.length === items.size;
  }
}

const edge = fc.tuple(fc.nat(9), fc.nat(9)).map(([from, to]) => [String(from), String(to)] as const);

it('accepted dependencies never hold a circle, and each refused one would close one', () => {
  fc.assert(
    fc.property(fc.array(edge, { maxLength: 60 }), (edges) => {
      const graph = new Graph();
      for (const [blocker, blocked] of edges) {
        if (validateDependency(blocker, blocked, graph.blockedBy) === undefined) {
          graph.add(blocker, blocked);
          expect(graph.hasOrder()).toBe(true);
        } else {
          const closed = new Graph();
          for (const [from, targets] of graph.edges) for (const to of targets) closed.add(from, to);
          closed.add(blocker, blocked);
          expect(closed.hasOrder()).toBe(false);
        }
      }
    }),
    { numRuns: 300 },
  );
});

it('names the path of the circle', () => {
  const graph = new Graph();
  graph.add('A', 'B');
  graph.add('B', 'C');
  expect(validateDependency('C', 'A', graph.blockedBy)).toEqual({
    code: 'circular_dependency',
    message: 'The dependency closes a circle: C → A → B → C.',
  });
  expect(validateDependency('A', 'A', graph.blockedBy)?.code).toBe('self_dependency');
  expect(validateDependency('A', 'C', graph.blockedBy)).toBeUndefined();
});

it('reads each item once, also in a long chain', () => {
  const reads = new Map<string, number>();
  const last = 5000;
  const refusal = validateDependency(String(last), '0', (id) => {
    reads.set(id, (reads.get(id) ?? 0) + 1);
    return Number(id) < last ? [String(Number(id) + 1)] : [];
  });
  expect(refusal?.code).toBe('circular_dependency');
  expect(Math.max(...reads.values())).toBe(1);
});
