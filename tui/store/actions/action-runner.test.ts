import { describe, expect, it } from 'vitest';
import { fleetOf, instance } from '../../../test/console/fleet-fixtures.ts';
import { ManualClock } from '../../../test/console/manual-clock.ts';
import { FleetStore } from '../fleet/fleet-store.ts';
import { type ActionLine, actionText, describeAction } from './action-line.ts';
import { ActionRunner } from './action-runner.ts';
import type { FleetCommands } from './actions.ts';

async function unexpected(): Promise<never> {
  throw new Error('unexpected');
}

function namesOf(count: number): string[] {
  return fleetOf(count).map(({ name }) => name);
}

function setUp(commands: Record<string, (name: string) => Promise<unknown>>) {
  const clock = new ManualClock();
  const store = new FleetStore(clock);
  const instances = fleetOf(40);
  store.dispatch({
    kind: 'snapshot',
    now: clock.now(),
    frame: { type: 'snapshot', topic: 'instances', seq: 0, data: instances },
  });
  const databases = { start: unexpected, stop: unexpected, restart: unexpected, ...commands };
  const runner = new ActionRunner({
    store,
    commands: async () => ({ databases }) as unknown as FleetCommands,
    clock,
    by: 'tester',
  });
  return { clock, store, runner, names: instances.map(({ name }) => name) };
}

function statesOf(store: FleetStore): string[] {
  const states: string[] = [];
  store.subscribe(() => {
    const state = store.get().actions.at(-1)?.state;
    if (state !== undefined && state !== states.at(-1)) states.push(state);
  });
  return states;
}

describe('ActionRunner', () => {
  it('goes from sent to running to done', async () => {
    const { clock, store, runner } = setUp({
      restart: async (name) => {
        store.enqueue({
          kind: 'instance.changed',
          name,
          instance: instance(name, { phase: 'stopping', since: new Date().toISOString() }),
        });
        clock.advance(2_000);
      },
    });
    const states = statesOf(store);
    await runner.run({ verb: 'restart', names: ['2026-11-21-001-user001'] });
    expect(states).toEqual(['sent', 'running', 'done']);
    expect(actionText(store.get().actions[0] as ActionLine)).toBe('restarted 2026-11-21-001-user001 in 2 s');
  });

  it('keeps the error message of the daemon', async () => {
    const { store, runner } = setUp({
      stop: async () => {
        throw new Error('the daemon is\u001B[2J busy');
      },
    });
    await runner.run({ verb: 'stop', names: ['2026-11-21-001-user001'] });
    expect(store.get().actions[0]).toMatchObject({
      state: 'failed',
      failures: [{ name: '2026-11-21-001-user001', why: 'the daemon is busy' }],
    });
  });

  it('runs four targets at a time and continues after a failure', async () => {
    let running = 0;
    let most = 0;
    const { store, runner, names } = setUp({
      start: async (name) => {
        running += 1;
        most = Math.max(most, running);
        await Promise.resolve();
        running -= 1;
        if (name.endsWith('user007')) throw new Error('no free port');
      },
    });
    await runner.run({ verb: 'start', names: names });
    expect(most).toBe(4);
    expect(actionText(store.get().actions[0] as ActionLine)).toBe(
      'start 40 instances: 39 done, 1 failed: 2026-11-21-007-user007: no free port',
    );
  });
});

describe('describeAction', () => {
  it('contains the number of targets, the duration and the pace', () => {
    expect(describeAction({ verb: 'restart', names: namesOf(37) }, [])).toBe(
      'restart 37 instances, about 30 s, four at a time',
    );
    expect(describeAction({ verb: 'stop', names: namesOf(3) }, [])).toBe('stop 3 instances, about 2 s');
    expect(describeAction({ verb: 'restart', names: ['a'] }, [])).toBe('restart a');
  });

  it('estimates the duration from earlier actions', () => {
    const past: ActionLine = {
      id: 1,
      by: 'tester',
      verb: 'restart',
      names: namesOf(8),
      state: 'done',
      at: 0,
      ended_at: 8_000,
      done: 8,
      failures: [],
    };
    expect(describeAction({ verb: 'restart', names: namesOf(37) }, [past])).toBe(
      'restart 37 instances, about 40 s, four at a time',
    );
  });
});
