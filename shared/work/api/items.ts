import { fieldsOf, id, idOrNull, itemType, listQuery, status, text, timeOrNull, version } from './fields.ts';
import type { Operation } from './operation.ts';

const TEXTS = {
  title: text(200),
  description: { type: 'string', maxLength: 20_000 },
} as const;

const VALUES = {
  ...TEXTS,
  status,
  priority: { type: 'integer', minimum: 0, maximum: 4, description: '4 is the highest.' },
  assignee_id: { ...idOrNull, description: 'A member of the database.' },
  points: { type: 'integer', minimum: 0, maximum: 1000 },
  due_date: timeOrNull,
  labels: { type: 'array', items: text(40), maxItems: 20 },
} as const;

const PLACE = {
  parent_id: { ...idOrNull, description: 'Without it, the item is directly below its project.' },
  sprint_id: { ...idOrNull, description: 'Only stories and tasks are in sprints.' },
} as const;

const workflow = {
  type: ['object', 'null'],
  description: 'The statuses of the project and the moves between them; null for those of Fathom.',
} as const;

const SORTS = ['rank', 'created_at', 'updated_at', 'due_date', 'priority', 'status', 'title'] as const;

const LIST = {
  status,
  assignee_id: id,
  label: { type: 'string', minLength: 1, maxLength: 40 },
  q: {
    type: 'string',
    minLength: 1,
    maxLength: 200,
    description: 'A part of the title or the description. The case of the letters a-z is ignored.',
  },
  sort: {
    type: 'string',
    enum: [...SORTS, ...SORTS.map((name) => `-${name}` as const)],
    description: 'Default `rank`. With `-`, the order is descending.',
  },
} as const;

export const ITEM_OPERATIONS = {
  list_work_items: {
    method: 'GET',
    path: '/api/v1/work-items',
    summary: 'List work items',
    query: listQuery({ item_type: itemType, project_id: id, sprint_id: id, parent_id: id, ...LIST }),
    status: 200,
  },
  create_work_item: {
    method: 'POST',
    path: '/api/v1/work-items',
    summary: 'Create a work item',
    body: fieldsOf({ item_type: itemType, project_id: idOrNull, ...VALUES, ...PLACE, workflow }, [
      'item_type',
      'title',
    ]),
    status: 201,
  },
  get_work_item: { method: 'GET', path: '/api/v1/work-items/{id}', summary: 'Get a work item', status: 200 },
  replace_work_item: {
    method: 'PUT',
    path: '/api/v1/work-items/{id}',
    summary: 'Replace the values of a work item. Values that are left out become empty',
    body: fieldsOf({ ...VALUES, ...PLACE, workflow, version }, ['title', 'status']),
    status: 200,
  },
  change_work_item: {
    method: 'PATCH',
    path: '/api/v1/work-items/{id}',
    summary: 'Change a work item',
    body: fieldsOf({ ...VALUES, ...PLACE, workflow, version }, []),
    status: 200,
  },
  delete_work_item: {
    method: 'DELETE',
    path: '/api/v1/work-items/{id}',
    summary: 'Delete a work item',
    query: fieldsOf({ cascade: { type: 'boolean', description: 'Also delete the items below it.' } }, []),
    status: 204,
  },
  move_work_item: {
    method: 'POST',
    path: '/api/v1/work-items/{id}/move',
    summary: 'Move a work item before or after another one, and into a status and a sprint',
    body: fieldsOf(
      {
        before_id: { ...id, description: 'The item that follows. Not with after_id.' },
        after_id: { ...id, description: 'The item that precedes. Not with before_id.' },
        status,
        sprint_id: PLACE.sprint_id,
        version,
      },
      [],
    ),
    status: 200,
  },
  restore_work_item: {
    method: 'POST',
    path: '/api/v1/work-items/{id}/restore',
    summary: 'Restore a deleted work item, with everything that was deleted in the same request',
    status: 200,
  },
  list_projects: {
    method: 'GET',
    path: '/api/v1/projects',
    summary: 'List projects',
    query: listQuery(LIST),
    status: 200,
  },
  create_project: {
    method: 'POST',
    path: '/api/v1/projects',
    summary: 'Create a project',
    body: fieldsOf({ ...VALUES, workflow }, ['title']),
    status: 201,
  },
  get_project: {
    method: 'GET',
    path: '/api/v1/projects/{id}',
    summary: 'Get a project, with its workflow',
    status: 200,
  },
  get_board: {
    method: 'GET',
    path: '/api/v1/projects/{id}/board',
    summary: 'Get the swim lanes of a project, with their items in the order of their ranks',
    query: fieldsOf(
      {
        sprint_id: id,
        per_lane: { type: 'integer', minimum: 1, maximum: 200, description: 'Items per lane; default 50.' },
      },
      [],
    ),
    status: 200,
  },
  list_backlog: {
    method: 'GET',
    path: '/api/v1/projects/{id}/backlog',
    summary: 'List the unfinished stories and tasks of a project that are in no sprint',
    query: listQuery({}),
    status: 200,
  },
  list_activity_of_project: {
    method: 'GET',
    path: '/api/v1/projects/{id}/activity',
    summary: 'List the changes in a project, the latest first',
    query: listQuery({}),
    status: 200,
  },
  list_swim_lanes: {
    method: 'GET',
    path: '/api/v1/projects/{id}/swim-lanes',
    summary: 'List the swim lanes of a project',
    query: listQuery({}),
    status: 200,
  },
} as const satisfies Record<string, Operation>;
