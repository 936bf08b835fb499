import { expect, it } from 'vitest';
import { EventBus } from '../../events/bus.ts';
import type { Runner } from '../../supervisor/runner.ts';
import { publishRoutes } from './publish-routes.ts';
import type { Target } from './route.ts';

const NAME = '2026-01-15-001-ann';

/** A database at a port that is held, and the targets that are set for it. */
function createStage({ isTakenOver = false } = {}) {
  const state = {
    observed: { port: 9001, desired: 'running' },
    listeningPort: (isTakenOver ? null : 9001) as number | null,
    phase: 'running',
    reason: null as { code: string; message: string } | null,
  };
  const runner = { spec: { name: NAME }, state } as unknown as Runner;
  const bus = new EventBus((error) => {
    throw error;
  });
  const targets: Target[] = [];
  const owned = new Set([NAME]);
  const routes = {
    set: (_name: string, target: Target) => void targets.push(target),
    owns: (name: string) => owned.has(name),
    keep: async () => {},
    withdraw: async () => {},
  };
  const fleet = { find: () => runner, runners: () => [runner] };
  publishRoutes(routes, { fleet, driver: { isHeld: () => !isTakenOver }, bus });
  const change = () =>
    bus.publish({ kind: 'instance.changed', name: NAME } as Parameters<EventBus['publish']>[0]);
  const remove = () => bus.publish({ kind: 'instance.removed', name: NAME });
  return { state, targets, owned, change, remove };
}

it('leads requests to the held port of a database between two processes, but not of one that moves', () => {
  const { state, targets, change } = createStage();
  state.listeningPort = null;
  change();
  state.reason = { code: 'moving', message: 'it moves to node n2' };
  change();
  expect(targets).toEqual([
    { state: 'open', port: 9001 },
    { state: 'open', port: 9001 },
    { state: 'moving' },
  ]);
});

it('does not call a database deleted that went to another node', () => {
  const { targets, owned, remove } = createStage();
  owned.clear();
  remove();
  owned.add(NAME);
  remove();
  expect(targets.slice(1)).toEqual([{ state: 'moving' }, { state: 'deleted' }]);
});

it('leaves the route of a database whose process is taken over as it is', () => {
  const { state, targets, change } = createStage({ isTakenOver: true });
  expect(targets).toEqual([]);
  state.listeningPort = 9001;
  change();
  expect(targets).toEqual([{ state: 'open', port: 9001 }]);
});
