import type { Refusal } from './refusal.ts';

/** An item starts in the one state `start` and is finished in the one state `done`. */
export type StateCategory = 'start' | 'active' | 'done' | 'cancelled';

export interface Workflow {
  states: readonly { readonly name: string; readonly category: StateCategory }[];
  /** The states that an item can move to, by the state that it is in. */
  moves: { readonly [from: string]: readonly string[] };
}

/** The workflow of projects that have none of their own. */
export const DEFAULT_WORKFLOW: Workflow = {
  states: [
    { name: 'backlog', category: 'start' },
    { name: 'todo', category: 'active' },
    { name: 'in_progress', category: 'active' },
    { name: 'review', category: 'active' },
    { name: 'blocked', category: 'active' },
    { name: 'done', category: 'done' },
    { name: 'cancelled', category: 'cancelled' },
  ],
  moves: {
    backlog: ['todo', 'cancelled'],
    todo: ['in_progress', 'backlog', 'cancelled'],
    in_progress: ['review', 'blocked', 'todo', 'done'],
    review: ['done', 'in_progress'],
    blocked: ['in_progress', 'todo'],
    done: ['in_progress'],
    cancelled: ['backlog'],
  },
};

/**
 * Whether an item may move from one state to another. To stay in a state of the workflow is allowed.
 * @returns the refusal, or undefined when it may
 */
export function validateStatusTransition(
  from: string,
  to: string,
  workflow: Workflow = DEFAULT_WORKFLOW,
): Refusal | undefined {
  const names = workflow.states.map(({ name }) => name);
  if (!names.includes(to))
    return { code: 'unknown_status', message: `No such status. The statuses are: ${names.join(', ')}.` };
  if (from === to) return undefined;
  const allowed = movesFrom(workflow, from);
  if (allowed.includes(to)) return undefined;
  const moves = allowed.length === 0 ? 'There is no move from it.' : `Allowed: ${allowed.join(', ')}.`;
  return { code: 'move_not_allowed', message: `Cannot move from ${from} to ${to}. ${moves}` };
}

/**
 * Whether a project can use a workflow: one start, one done, and every state reachable from the start.
 * @returns the refusal, or undefined when it can
 */
export function validateWorkflow(workflow: Workflow): Refusal | undefined {
  const names = workflow.states.map(({ name }) => name);
  const invalid = names.find((name) => !/^[a-z][a-z0-9_]{0,39}$/.test(name));
  if (invalid !== undefined)
    return refuse('Names of statuses have 1 to 40 characters a-z, 0-9 and _, and start with a letter.');
  const repeated = names.find((name, at) => names.indexOf(name) !== at);
  if (repeated !== undefined) return refuse(`The status ${repeated} exists twice.`);
  const starts = workflow.states.filter(({ category }) => category === 'start');
  const [start] = starts;
  if (start === undefined || starts.length > 1) return refuse('A workflow has one status of category start.');
  if (workflow.states.filter(({ category }) => category === 'done').length !== 1)
    return refuse('A workflow has one status of category done.');
  for (const [from, targets] of Object.entries(workflow.moves)) {
    const unknown = [from, ...targets].find((name) => !names.includes(name));
    if (unknown !== undefined) return refuse('A move names a status that the workflow does not have.');
  }
  const reached = reachableFrom(workflow, start.name);
  const lost = names.filter((name) => !reached.has(name));
  if (lost.length > 0) return refuse(`No sequence of moves leads from ${start.name} to ${lost.join(', ')}.`);
  return undefined;
}

function reachableFrom(workflow: Workflow, start: string): Set<string> {
  const reached = new Set([start]);
  // The loop also visits what is added while it runs.
  for (const state of reached) for (const next of movesFrom(workflow, state)) reached.add(next);
  return reached;
}

/** Reads own properties only: `constructor` is a valid name of a status. */
function movesFrom(workflow: Workflow, from: string): readonly string[] {
  return Object.entries(workflow.moves).find(([state]) => state === from)?.[1] ?? [];
}

function refuse(message: string): Refusal {
  return { code: 'invalid_workflow', message };
}

/** The status of new items. */
export function startOf(workflow: Workflow): string {
  return workflow.states.find(({ category }) => category === 'start')?.name ?? '';
}

/** Whether an item with this status blocks no other item. */
export function isFinished(status: string, workflow: Workflow): boolean {
  return workflow.states.some(
    ({ name, category }) => name === status && (category === 'done' || category === 'cancelled'),
  );
}

/** Reads a workflow that a client wrote. @returns null when it does not have the form of a workflow */
export function parseWorkflow(value: unknown): Workflow | null {
  if (!isObject(value) || !Array.isArray(value['states']) || !isObject(value['moves'])) return null;
  const states = value['states'] as unknown[];
  const isForm = states.every(
    (state) =>
      isObject(state) && typeof state['name'] === 'string' && CATEGORIES.includes(String(state['category'])),
  );
  const targets: unknown[] = Object.values(value['moves']);
  const areMoves = targets.every(
    (names) => Array.isArray(names) && names.every((name) => typeof name === 'string'),
  );
  return isForm && areMoves ? (value as unknown as Workflow) : null;
}

const CATEGORIES: readonly string[] = ['start', 'active', 'done', 'cancelled'] satisfies StateCategory[];

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
