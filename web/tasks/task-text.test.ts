import { expect, it } from 'vitest';
import { TASK_STATUSES } from '../../shared/task.ts';
import { explainTask } from './task-text.ts';

const TASK = { status: 'pending', attempts: 0, max_attempts: 5, cancel_requested: false } as const;

it.each(TASK_STATUSES)('explains the state %s', (status) => {
  expect(explainTask({ ...TASK, status }).state).toMatch(/^[A-Z]/);
});

it('says that a task is tried again', () => {
  expect(explainTask({ ...TASK, attempts: 2 })).toEqual({
    state: 'Waiting for another attempt',
    tone: 'trouble',
    attempts: 'attempt 2 of 5',
  });
});

it('says that a running task is being cancelled', () => {
  const task = { ...TASK, status: 'processing', attempts: 1, cancel_requested: true } as const;
  expect(explainTask(task).state).toBe('Being cancelled');
});
