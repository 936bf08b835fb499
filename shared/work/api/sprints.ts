import { fieldsOf, id, idOrNull, listQuery, text, timeOrNull } from './fields.ts';
import type { Operation } from './operation.ts';

const SPRINT = {
  name: text(100),
  goal: { type: 'string', maxLength: 2000 },
  start_date: timeOrNull,
  end_date: timeOrNull,
} as const;

export const SPRINT_OPERATIONS = {
  list_sprints: {
    method: 'GET',
    path: '/api/v1/sprints',
    summary: 'List sprints by their start',
    query: listQuery({
      project_id: id,
      status: { type: 'string', enum: ['planned', 'active', 'completed'] },
    }),
    status: 200,
  },
  create_sprint: {
    method: 'POST',
    path: '/api/v1/sprints',
    summary: 'Create a sprint',
    body: fieldsOf({ project_id: id, ...SPRINT }, ['project_id', 'name']),
    status: 201,
  },
  get_sprint: { method: 'GET', path: '/api/v1/sprints/{id}', summary: 'Get a sprint', status: 200 },
  replace_sprint: {
    method: 'PUT',
    path: '/api/v1/sprints/{id}',
    summary: 'Replace the values of a sprint. Values that are left out become empty',
    body: fieldsOf(SPRINT, ['name']),
    status: 200,
  },
  change_sprint: {
    method: 'PATCH',
    path: '/api/v1/sprints/{id}',
    summary: 'Change a sprint',
    body: fieldsOf(SPRINT, []),
    status: 200,
  },
  delete_sprint: {
    method: 'DELETE',
    path: '/api/v1/sprints/{id}',
    summary: 'Delete a sprint. Its items leave it',
    status: 204,
  },
  start_sprint: {
    method: 'POST',
    path: '/api/v1/sprints/{id}/start',
    summary: 'Make a sprint active',
    status: 200,
  },
  complete_sprint: {
    method: 'POST',
    path: '/api/v1/sprints/{id}/complete',
    summary: 'Complete a sprint, and move its unfinished items',
    body: fieldsOf({ move_to: { ...idOrNull, description: 'Another sprint, or null for none.' } }, []),
    status: 200,
  },
} as const satisfies Record<string, Operation>;
