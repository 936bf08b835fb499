import type { OperationName } from './operations.ts';
import type { Infer, ObjectSchema } from './schema.ts';

// Hooks use the types of this file only, so that databases do not load it.

const text = { type: 'string' } as const;
const textOrNull = { type: ['string', 'null'] } as const;
const number = { type: 'integer' } as const;
const numberOrNull = { type: ['integer', 'null'] } as const;

function answer<const P extends { readonly [name: string]: unknown }>(properties: P) {
  const required = Object.keys(properties) as (keyof P & string)[];
  return { type: 'object', properties, required } as const;
}

function listOf<const I>(items: I) {
  return { type: 'array', items } as const;
}

function pageOf<const I>(items: I) {
  return answer({ items: listOf(items), page: number, per_page: number, total: number });
}

const user = { ...answer({ id: text, name: text }), description: 'A member of the database.' } as const;
const userOrNull = { ...user, type: ['object', 'null'] } as const;

const sprint = answer({
  id: text,
  project_id: text,
  name: text,
  goal: text,
  status: { type: 'string', enum: ['planned', 'active', 'completed'] },
  start_date: numberOrNull,
  end_date: numberOrNull,
  completed_at: numberOrNull,
  created_at: number,
  updated_at: number,
});

const workItemFields = {
  id: text,
  item_type: { type: 'string', enum: ['project', 'epic', 'story', 'task'] },
  title: text,
  description: text,
  status: text,
  priority: number,
  parent_id: textOrNull,
  project_id: { ...text, description: 'Of a project, its own id.' },
  assignee: userOrNull,
  sprint: {
    type: ['object', 'null'],
    properties: { id: text, name: text, status: sprint.properties.status },
    required: ['id', 'name', 'status'],
  },
  points: number,
  due_date: numberOrNull,
  labels: listOf(text),
  rank: { ...text, description: 'The order of items is that of the bytes of their ranks.' },
  version: number,
  created_at: number,
  updated_at: number,
} as const;
const workItem = answer(workItemFields);
const project = answer({
  ...workItemFields,
  workflow: answer({
    states: listOf(
      answer({ name: text, category: { type: 'string', enum: ['start', 'active', 'done', 'cancelled'] } }),
    ),
    moves: { type: 'object', description: 'The statuses that follow, by status.' },
  }),
});

const swimLane = answer({
  id: text,
  project_id: text,
  name: text,
  position: number,
  statuses: listOf(text),
  wip_limit: { ...number, description: '0 is no limit.' },
});

const itemsOfLane = { items: listOf(workItem), total: number } as const;
const board = answer({
  project_id: text,
  lanes: listOf(answer({ ...swimLane.properties, ...itemsOfLane })),
  without_lane: answer(itemsOfLane),
});

const activity = answer({
  id: text,
  entity_type: text,
  entity_id: text,
  project_id: textOrNull,
  actor: userOrNull,
  actor_kind: { type: 'string', enum: ['owner', 'member', 'superuser', 'system'] },
  action: text,
  changes: { type: 'object', description: 'The old and the new value, by field.' },
  created_at: number,
});

const comment = answer({
  id: text,
  work_item_id: text,
  author: userOrNull,
  body: text,
  edited_at: numberOrNull,
  created_at: number,
  updated_at: number,
});

const timeEntry = answer({
  id: text,
  work_item_id: text,
  member: userOrNull,
  started_at: number,
  ended_at: { ...numberOrNull, description: 'null while the timer runs.' },
  seconds: { ...number, description: '0 while the timer runs.' },
  note: text,
  created_at: number,
  updated_at: number,
});

const itemOfDependency = answer({ id: text, title: text, status: text });
const dependency = answer({
  id: text,
  blocker: itemOfDependency,
  blocked: itemOfDependency,
  kind: { type: 'string', enum: ['blocks', 'relates_to', 'duplicates'] },
  created_at: number,
});

const contextText = answer({
  id: text,
  project_id: text,
  work_item_id: textOrNull,
  kind: { type: 'string', enum: ['summary', 'decision', 'instruction', 'schema', 'note'] },
  title: text,
  content: text,
  tokens: number,
  pinned: { type: 'boolean' },
  source: text,
  superseded_by_id: textOrNull,
  created_by: userOrNull,
  created_at: number,
  updated_at: number,
});

const partKind = {
  type: 'string',
  enum: ['item', 'ancestor', 'child', 'blocker', 'context', 'comment', 'activity'],
} as const;
const context = answer({
  project_id: text,
  work_item_id: textOrNull,
  max_tokens: number,
  tokens: number,
  parts: listOf(answer({ kind: partKind, id: text, text, tokens: number })),
  omitted: listOf(answer({ kind: partKind, count: number })),
});

const tools = answer({
  tools: listOf(
    answer({ name: text, description: text, input_schema: { type: 'object' }, method: text, path: text }),
  ),
});

/** What operations answer with. Absent: no body. */
export const ANSWERS = {
  list_work_items: pageOf(workItem),
  create_work_item: workItem,
  get_work_item: workItem,
  replace_work_item: workItem,
  change_work_item: workItem,
  move_work_item: workItem,
  restore_work_item: workItem,
  list_projects: pageOf(workItem),
  create_project: project,
  get_project: project,
  get_board: board,
  list_backlog: pageOf(workItem),
  list_activity_of_project: pageOf(activity),
  list_swim_lanes: pageOf(swimLane),
  list_sprints: pageOf(sprint),
  create_sprint: sprint,
  get_sprint: sprint,
  replace_sprint: sprint,
  change_sprint: sprint,
  start_sprint: sprint,
  complete_sprint: sprint,
  list_comments: pageOf(comment),
  create_comment: comment,
  get_comment: comment,
  replace_comment: comment,
  list_times_of_work_item: pageOf(timeEntry),
  create_time_entry: timeEntry,
  list_time_entries: pageOf(timeEntry),
  start_timer: timeEntry,
  stop_timer: timeEntry,
  get_time_entry: timeEntry,
  replace_time_entry: timeEntry,
  change_time_entry: timeEntry,
  list_dependencies: pageOf(dependency),
  create_dependency: dependency,
  get_dependency: dependency,
  list_activity_of_work_item: pageOf(activity),
  assemble_llm_context: context,
  list_llm_contexts: pageOf(contextText),
  create_llm_context: contextText,
  get_llm_context: contextText,
  replace_llm_context: contextText,
  change_llm_context: contextText,
  list_llm_tools: tools,
} as const satisfies { [name in OperationName]?: ObjectSchema };

export type UserDto = Infer<typeof user>;
export type SprintDto = Infer<typeof sprint>;
export type WorkItemDto = Infer<typeof workItem>;
export type ProjectDto = Infer<typeof project>;
export type SwimLaneDto = Infer<typeof swimLane>;
export type BoardDto = Infer<typeof board>;
export type ActivityDto = Infer<typeof activity>;
export type CommentDto = Infer<typeof comment>;
export type TimeEntryDto = Infer<typeof timeEntry>;
export type DependencyDto = Infer<typeof dependency>;
export type LlmContextDto = Infer<typeof contextText>;
export type AssembledContextDto = Infer<typeof context>;
