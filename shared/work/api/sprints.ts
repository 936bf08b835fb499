import { fieldsOf, idOrNull } from './fields.ts';
import type { Operation } from './operation.ts';

export const SPRINT_OPERATIONS = {
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
