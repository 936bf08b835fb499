import { ITEM_OPERATIONS } from './items.ts';
import { LLM_OPERATIONS } from './llm.ts';
import { OPERATIONS_OF_ITEMS } from './of-items.ts';
import type { Operation } from './operation.ts';
import { SPRINT_OPERATIONS } from './sprints.ts';

/** All operations by name. */
export const OPERATIONS = {
  ...ITEM_OPERATIONS,
  ...SPRINT_OPERATIONS,
  ...OPERATIONS_OF_ITEMS,
  ...LLM_OPERATIONS,
} as const satisfies Record<string, Operation>;

export type OperationName = keyof typeof OPERATIONS;
