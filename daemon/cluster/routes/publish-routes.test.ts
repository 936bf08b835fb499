import { expect, it } from 'vitest';
import { EventBus } from '../../events/bus.ts';
import type { Runner } from '../../supervisor/runner.ts';
import { publishRoutes } from './publish-routes.ts';
import type { Target } from './route.ts';

const NAME = '2026-01-15-001-ann';

/** A database at a port that is held, and the targets that are set for it. */
function createStage({ isTakenOver = false, isOpen = true } = {}) {
  const state = {
    observed: { port: 9001, desired: 'running' },
    listeningPort: (isTakenOver ? null : 9001) as number | null,
    phase: 'running',
    reason: null as { code: string; message: string } | null,
  };
  const runner = { spec: { name: NAME }, state } as unknown as Runner;
  const controlPlane = { spec: { name: 'global' }, state } as unknown as Runner;
  const bus = new EventBus((error) => {
    throw error;
  });
  const targets: Target[] = [];
  const names: string[] = [];
  const owned = new Set([NAME]);
  const routes = {
    set: (name: string, target: Target) => {
      names.push(name);
      targets.push(target);
    },
    owns: (name: string) => owned.has(name),
    keep: async () => {},
    withdraw: async () => {},
  };
  const fleet = {
    find: (name: string) => (name === NAME ? runner : name === 'global' ? controlPlane : null),
    runners: () => [runner],
  };
  const published = publishRoutes(routes, { fleet, driver: { isHeld: () => !isTakenOver }, bus });
  if (isOpen) published.openDatabases();
  const change = () =>
    bus.publish({ kind: 'instance.changed', name: NAME } as Parameters<EventBus['publish']>[0]);
  const remove = () => bus.publish({ kind: 'instance.removed', name: NAME });
  return { state, targets, names, published, owned, change, remove };
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

it('leads requests to the control plane before the databases have their ports', () => {
  const { names, targets, published, change } = createStage({ isOpen: false });
  change();
  published.openApi(8090);
  expect(names).toEqual(['global', 'api']);
  expect(targets[1]).toEqual({ state: 'open', port: 8090 });
  published.openDatabases();
  expect(names).toEqual(['global', 'api', NAME]);
});
