import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { canAssignToSprint, type ItemType, type PlacedItem, validateParent } from './item-types.ts';

const TYPES: readonly ItemType[] = ['project', 'epic', 'story', 'task'];

function item(itemType: ItemType, projectId = 'p1'): PlacedItem {
  return { id: itemType, itemType, projectId };
}

describe('work item validation', () => {
  const planned = { projectId: 'p1', status: 'planned' } as const;

  it.each([
    ['task', undefined],
    ['story', undefined],
    ['epic', 'sprint_not_allowed'],
    ['project', 'sprint_not_allowed'],
  ] as const)('assigns a %s to a sprint: %s', (itemType, code) => {
    expect(canAssignToSprint(item(itemType), planned)?.code).toBe(code);
  });

  it('rejects a sprint of another project and a completed sprint', () => {
    expect(canAssignToSprint(item('task', 'p2'), planned)?.code).toBe('sprint_not_allowed');
    expect(canAssignToSprint(item('task'), { ...planned, status: 'completed' })?.code).toBe(
      'sprint_not_allowed',
    );
    expect(canAssignToSprint(item('task'), { ...planned, status: 'active' })).toBeUndefined();
  });

  it.each([
    ['project', []],
    ['epic', ['project']],
    ['story', ['project', 'epic']],
    ['task', ['project', 'epic', 'story']],
  ] as const)('a %s is below %j', (child, parents) => {
    const allowed = TYPES.filter((parent) => validateParent(item(child), item(parent)) === undefined);
    expect(allowed).toEqual(parents);
  });

  it('only a project has no parent', () => {
    expect(TYPES.map((type) => validateParent(item(type), null)?.code)).toEqual([
      undefined,
      'parent_required',
      'parent_required',
      'parent_required',
    ]);
  });

  it('rejects a parent of another project', () => {
    expect(validateParent(item('task'), item('story', 'p2'))?.code).toBe('parent_not_allowed');
  });

  it('accepted parents never form a circle', () => {
    const moves = fc.array(fc.tuple(fc.nat(15), fc.nat(15)), { maxLength: 100 });
    fc.assert(
      fc.property(
        fc.array(fc.constantFrom(...TYPES), { minLength: 16, maxLength: 16 }),
        moves,
        (types, set) => {
          const parentOf = new Map<number, number>();
          for (const [child, parent] of set)
            if (validateParent(item(types[child] ?? 'task'), item(types[parent] ?? 'task')) === undefined)
              parentOf.set(child, parent);
          for (const start of parentOf.keys()) {
            let depth = 0;
            // Ends on a circle too.
            for (let at = parentOf.get(start); at !== undefined && depth <= 3; at = parentOf.get(at))
              depth += 1;
            expect(depth).toBeLessThanOrEqual(3);
          }
        },
      ),
    );
  });
});
