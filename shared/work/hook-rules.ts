/** What the hooks of the application `work-items` use. The build makes one CommonJS file of it, for PocketBase's JavaScript. */
export { validateDependency } from './dependencies.ts';
export { canAssignToSprint, type ItemType, type PlacedItem, validateParent } from './item-types.ts';
export { assembleContext, type PartKind, type Section, textOfItem, tokensOf } from './llm-context.ts';
export { type Ranked, rankBetween, rankInGap, ranksOfInsertion } from './rank.ts';
export type { Refusal } from './refusal.ts';
export { validateText } from './texts.ts';
export { validateVersion, versionOfIfMatch } from './versions.ts';
export {
  DEFAULT_WORKFLOW,
  isFinished,
  parseWorkflow,
  startOf,
  validateStatusTransition,
  validateWorkflow,
  type Workflow,
} from './workflow.ts';
