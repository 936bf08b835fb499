import { fieldsOf, id, listQuery, text, time, timeOrNull } from './fields.ts';
import type { Operation } from './operation.ts';

/** Comments, times and dependencies of work items. */

const COMMENT = fieldsOf({ body: text(10_000) }, ['body']);

const note = { type: 'string', maxLength: 1000 } as const;
const TIME = {
  started_at: time,
  ended_at: { ...timeOrNull, description: 'null while the timer runs.' },
  note,
} as const;

const kind = {
  type: 'string',
  enum: ['blocks', 'relates_to', 'duplicates'],
  description: 'Default `blocks`.',
} as const;

const COMMENT_OPERATIONS = {
  list_comments: {
    method: 'GET',
    path: '/api/v1/work-items/{id}/comments',
    summary: 'List the comments on a work item, the oldest first',
    query: listQuery({}),
    status: 200,
  },
  create_comment: {
    method: 'POST',
    path: '/api/v1/work-items/{id}/comments',
    summary: 'Comment on a work item',
    body: COMMENT,
    status: 201,
  },
  get_comment: { method: 'GET', path: '/api/v1/comments/{id}', summary: 'Get a comment', status: 200 },
  replace_comment: {
    method: 'PUT',
    path: '/api/v1/comments/{id}',
    summary: 'Change the text of an own comment',
    body: COMMENT,
    status: 200,
  },
  delete_comment: {
    method: 'DELETE',
    path: '/api/v1/comments/{id}',
    summary: 'Delete a comment',
    status: 204,
  },
} as const satisfies Record<string, Operation>;

const TIME_OPERATIONS = {
  list_times_of_work_item: {
    method: 'GET',
    path: '/api/v1/work-items/{id}/time-entries',
    summary: 'List the times on a work item, the latest first. Members see their own',
    query: listQuery({}),
    status: 200,
  },
  create_time_entry: {
    method: 'POST',
    path: '/api/v1/work-items/{id}/time-entries',
    summary: 'Add a time to a work item',
    body: fieldsOf({ ...TIME, member_id: { ...id, description: 'Default: the caller.' } }, ['started_at']),
    status: 201,
  },
  list_time_entries: {
    method: 'GET',
    path: '/api/v1/time-entries',
    summary: 'List times, the latest first. Members see their own',
    query: listQuery({
      member_id: id,
      running: { type: 'boolean', description: 'Only timers that run, or that do not.' },
    }),
    status: 200,
  },
  start_timer: {
    method: 'POST',
    path: '/api/v1/time-entries/start',
    summary: 'Start a timer on a work item',
    body: fieldsOf({ work_item_id: id, note }, ['work_item_id']),
    status: 201,
  },
  stop_timer: {
    method: 'POST',
    path: '/api/v1/time-entries/stop',
    summary: 'Stop the own running timer',
    body: fieldsOf({ note }, []),
    status: 200,
  },
  get_time_entry: { method: 'GET', path: '/api/v1/time-entries/{id}', summary: 'Get a time', status: 200 },
  replace_time_entry: {
    method: 'PUT',
    path: '/api/v1/time-entries/{id}',
    summary: 'Replace the values of a time. Values that are left out become empty',
    body: fieldsOf(TIME, ['started_at']),
    status: 200,
  },
  change_time_entry: {
    method: 'PATCH',
    path: '/api/v1/time-entries/{id}',
    summary: 'Change a time',
    body: fieldsOf(TIME, []),
    status: 200,
  },
  delete_time_entry: {
    method: 'DELETE',
    path: '/api/v1/time-entries/{id}',
    summary: 'Delete a time',
    status: 204,
  },
} as const satisfies Record<string, Operation>;

const DEPENDENCY_OPERATIONS = {
  list_dependencies: {
    method: 'GET',
    path: '/api/v1/work-items/{id}/dependencies',
    summary: 'List the dependencies of a work item, in both directions',
    query: listQuery({}),
    status: 200,
  },
  create_dependency: {
    method: 'POST',
    path: '/api/v1/work-items/{id}/dependencies',
    summary: 'Let a work item depend on another one, or another one on it',
    body: fieldsOf(
      {
        blocker_id: { ...id, description: 'The item that blocks this one. Not with blocked_id.' },
        blocked_id: { ...id, description: 'The item that this one blocks. Not with blocker_id.' },
        kind,
      },
      [],
    ),
    status: 201,
  },
  get_dependency: {
    method: 'GET',
    path: '/api/v1/dependencies/{id}',
    summary: 'Get a dependency',
    status: 200,
  },
  delete_dependency: {
    method: 'DELETE',
    path: '/api/v1/dependencies/{id}',
    summary: 'Delete a dependency',
    status: 204,
  },
} as const satisfies Record<string, Operation>;

export const OPERATIONS_OF_ITEMS = {
  ...COMMENT_OPERATIONS,
  ...TIME_OPERATIONS,
  ...DEPENDENCY_OPERATIONS,
  list_activity_of_work_item: {
    method: 'GET',
    path: '/api/v1/work-items/{id}/activity',
    summary: 'List the changes of a work item, the latest first',
    query: listQuery({}),
    status: 200,
  },
} as const satisfies Record<string, Operation>;
