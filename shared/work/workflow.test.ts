import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  DEFAULT_WORKFLOW,
  isFinished,
  parseWorkflow,
  startOf,
  validateStatusTransition,
  validateWorkflow,
  type Workflow,
} from './workflow.ts';

const STATES = DEFAULT_WORKFLOW.states.map(({ name }) => name);

describe('work item validation', () => {
  it('allows the moves of the table and no other', () => {
    const allowed = STATES.flatMap((from) =>
      STATES.filter((to) => from !== to && validateStatusTransition(from, to) === undefined).map(
        (to) => `${from} ${to}`,
      ),
    );
    expect(allowed.toSorted()).toEqual(
      [
        'backlog todo',
        'backlog cancelled',
        'todo in_progress',
        'todo backlog',
        'todo cancelled',
        'in_progress review',
        'in_progress blocked',
        'in_progress todo',
        'in_progress done',
        'blocked in_progress',
        'blocked todo',
        'review done',
        'review in_progress',
        'done in_progress',
        'cancelled backlog',
      ].toSorted(),
    );
  });

  it('no sequence of moves leaves the states of the workflow', () => {
    const targets = fc.array(fc.oneof(fc.constantFrom(...STATES), fc.string()), { maxLength: 50 });
    fc.assert(
      fc.property(targets, (wanted) => {
        let state = 'backlog';
        for (const to of wanted) if (validateStatusTransition(state, to) === undefined) state = to;
        expect(STATES).toContain(state);
      }),
    );
  });

  it('names the moves that there are', () => {
    expect(validateStatusTransition('review', 'todo')).toEqual({
      code: 'move_not_allowed',
      message: 'Cannot move from review to todo. Allowed: done, in_progress.',
    });
    expect(validateStatusTransition('review', 'constructor')?.code).toBe('unknown_status');
    expect(validateStatusTransition('review', 'review')).toBeUndefined();
  });
});

describe('workflows of projects', () => {
  const small: Workflow = {
    states: [
      { name: 'open', category: 'start' },
      { name: 'constructor', category: 'active' },
      { name: 'closed', category: 'done' },
    ],
    moves: { open: ['constructor'], constructor: ['closed'] },
  };

  it('accepts the default workflow and a small one', () => {
    expect(validateWorkflow(DEFAULT_WORKFLOW)).toBeUndefined();
    expect(validateWorkflow(small)).toBeUndefined();
    expect(validateStatusTransition('open', 'constructor', small)).toBeUndefined();
    expect(validateStatusTransition('closed', 'open', small)?.code).toBe('move_not_allowed');
  });

  it.each<[string, Workflow]>([
    ['no states', { states: [], moves: {} }],
    ['no start', { ...small, states: small.states.slice(1), moves: { constructor: ['closed'] } }],
    ['two starts', { ...small, states: [...small.states, { name: 'new', category: 'start' }] }],
    ['no done', { states: small.states.slice(0, 2), moves: { open: ['constructor'] } }],
    ['two done', { ...small, states: [...small.states, { name: 'ended', category: 'done' }] }],
    ['a repeated name', { ...small, states: [...small.states, { name: 'open', category: 'active' }] }],
    ['an invalid name', { ...small, states: [...small.states, { name: 'In work', category: 'active' }] }],
    ['a state that cannot be reached', { ...small, moves: { open: ['closed'] } }],
    ['a move to an unknown state', { ...small, moves: { ...small.moves, closed: ['lost'] } }],
    ['a move from an unknown state', { ...small, moves: { ...small.moves, lost: ['open'] } }],
  ])('rejects %s', (_case, workflow) => {
    expect(validateWorkflow(workflow)?.code).toBe('invalid_workflow');
  });
});

describe('statuses of a workflow', () => {
  it('starts in one, and is finished in those of two categories', () => {
    expect(startOf(DEFAULT_WORKFLOW)).toBe('backlog');
    expect(STATES.filter((status) => isFinished(status, DEFAULT_WORKFLOW))).toEqual(['done', 'cancelled']);
  });
});

describe('a workflow that a client wrote', () => {
  it('is read when it has the form of one', () => {
    const read: unknown = JSON.parse(JSON.stringify(DEFAULT_WORKFLOW));
    expect(parseWorkflow(read)).toEqual(DEFAULT_WORKFLOW);
  });

  it.each<[string, unknown]>([
    ['null', null],
    ['a text', 'open'],
    ['a list', []],
    ['no states', { moves: {} }],
    ['no moves', { states: [] }],
    ['a state without a name', { states: [{ category: 'start' }], moves: {} }],
    ['an unknown category', { states: [{ name: 'open', category: 'other' }], moves: {} }],
    ['a move that is no list', { states: [], moves: { open: 'closed' } }],
    ['a move to a number', { states: [], moves: { open: [1] } }],
  ])('is null for %s', (_, value) => {
    expect(parseWorkflow(value)).toBeNull();
  });
});
