import { array, assert, constant, constantFrom, oneof, property, record as recordOf } from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decideClaim, freed } from './ownership.ts';
import type { OwnerRecord } from './records.ts';

const NOW = new Date('2026-01-15T08:30:00Z');
const AT_WORK = { now: NOW, isEnded: false, isDrained: false };
const nodes = constantFrom('n1', 'n2', 'n3');
const stepsWithDrains = array(
  recordOf({ kind: constantFrom('claim', 'remove', 'drain', 'undrain', 'end'), node: nodes }),
);
const steps = array(
  oneof(
    recordOf({ kind: constant('claim' as const), node: nodes }),
    recordOf({ kind: constant('remove' as const), node: nodes }),
  ),
);

describe('the rules of ownership', () => {
  it('let only the owner keep a database, until its node is removed', () => {
    assert(
      property(steps, (history) => {
        let record: OwnerRecord | null = null;
        for (const { kind, node } of history) {
          const before: OwnerRecord | null = record;
          if (kind === 'remove') {
            if (before?.node === node) record = freed(before, NOW);
            continue;
          }
          const decision = decideClaim(before, node, AT_WORK);
          const owner = before?.node ?? null;
          expect(decision.kind).toBe(owner === null ? 'claim' : owner === node ? 'keep' : 'refuse');
          if (decision.kind === 'claim') record = decision.record;
          if (decision.kind === 'refuse') expect(decision.owner).toBe(owner);
        }
      }),
    );
  });

  it('give each new owner a greater epoch', () => {
    assert(
      property(steps, (history) => {
        let record: OwnerRecord | null = null;
        let last = 0;
        for (const { kind, node } of history) {
          const before: OwnerRecord | null = record;
          if (kind === 'remove') {
            if (before?.node === node) record = freed(before, NOW);
            continue;
          }
          const decision = decideClaim(before, node, AT_WORK);
          if (decision.kind !== 'claim') continue;
          ({ record } = decision);
          expect(record.epoch).toBeGreaterThan(last);
          last = record.epoch;
        }
      }),
    );
  });

  it('let another node take over only what has ended and has a replica', () => {
    const record = { node: 'n1', epoch: 3, since: NOW.toISOString(), source: 'HOST/a/e3' };
    const ended = { now: NOW, isEnded: true, isDrained: false };
    expect(decideClaim(record, 'n2', AT_WORK)).toEqual({ kind: 'refuse', owner: 'n1' });
    expect(decideClaim({ ...record, source: null }, 'n2', ended)).toEqual({ kind: 'refuse', owner: 'n1' });
    expect(decideClaim(record, 'n2', ended)).toMatchObject({
      kind: 'claim',
      record: { node: 'n2', epoch: 4, source: 'HOST/a/e3' },
    });
    expect(decideClaim(record, 'n1', ended)).toEqual({ kind: 'keep' });
  });

  it('give a node that is drained only what is new, and let it keep what it has', () => {
    assert(
      property(stepsWithDrains, (history) => {
        let record: OwnerRecord | null = null;
        const drained = new Set<string>();
        const ended = new Set<string>();
        for (const { kind, node } of history) {
          const before: OwnerRecord | null = record;
          if (kind === 'remove' && before?.node === node) record = freed(before, NOW);
          if (kind === 'drain') drained.add(node);
          if (kind === 'undrain') drained.delete(node);
          if (kind === 'end') ended.add(node);
          if (kind !== 'claim') continue;
          ended.delete(node);
          const decision = decideClaim(before, node, {
            now: NOW,
            isEnded: ended.has(before?.node ?? ''),
            isDrained: drained.has(node),
          });
          if (decision.kind !== 'claim') continue;
          expect(drained.has(node) && before !== null).toBe(false);
          record = { ...decision.record, source: 'HOST/a/e1' };
        }
        const last: OwnerRecord | null = record;
        if (last === null || last.node === null) return;
        const isDrained = true;
        expect(decideClaim(last, last.node, { now: NOW, isEnded: true, isDrained })).toEqual({
          kind: 'keep',
        });
      }),
    );
  });
});
