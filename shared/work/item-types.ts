import type { Refusal } from './refusal.ts';

export type ItemType = 'project' | 'epic' | 'story' | 'task';

/** What an item may be below. Types only descend, so parents never form a circle. */
const PARENT_TYPES: { readonly [type in ItemType]: readonly ItemType[] } = {
  project: [],
  epic: ['project'],
  story: ['epic', 'project'],
  task: ['story', 'epic', 'project'],
};

export interface PlacedItem {
  id: string;
  itemType: ItemType;
  /** The project of the item; the id of the item itself for a project. */
  projectId: string;
}

/**
 * Whether an item may be below a parent.
 * @returns the refusal, or undefined when it may
 */
export function validateParent(item: PlacedItem, parent: PlacedItem | null): Refusal | undefined {
  const allowed = PARENT_TYPES[item.itemType];
  if (parent === null)
    return allowed.length === 0
      ? undefined
      : { code: 'parent_required', message: `This ${item.itemType} needs a parent: ${listOf(allowed)}.` };
  if (allowed.length === 0)
    return { code: 'parent_not_allowed', message: `This ${item.itemType} has no parent.` };
  if (!allowed.includes(parent.itemType))
    return {
      code: 'parent_not_allowed',
      message: `The parent of this ${item.itemType} is one of: ${listOf(allowed)}. Its type is not ${parent.itemType}.`,
    };
  if (item.projectId !== parent.projectId)
    return { code: 'parent_not_allowed', message: 'The parent belongs to another project.' };
  return undefined;
}

export interface SprintOfItem {
  projectId: string;
  status: 'planned' | 'active' | 'completed';
}

/**
 * Whether an item may be assigned to a sprint.
 * @returns the refusal, or undefined when it may
 */
export function canAssignToSprint(
  item: Pick<PlacedItem, 'itemType' | 'projectId'>,
  sprint: SprintOfItem,
): Refusal | undefined {
  if (item.itemType !== 'story' && item.itemType !== 'task')
    return { code: 'sprint_not_allowed', message: 'Only stories and tasks can be assigned to sprints.' };
  if (item.projectId !== sprint.projectId)
    return { code: 'sprint_not_allowed', message: 'The sprint belongs to another project.' };
  if (sprint.status === 'completed')
    return { code: 'sprint_not_allowed', message: 'The sprint is completed.' };
  return undefined;
}

function listOf(types: readonly ItemType[]): string {
  return types.join(', ');
}
