import { describe, expect, it } from 'vitest';
import type { FleetEvent } from '../../shared/events.ts';
import { INSTANCE_PHASES, type InstancePhase, PHASE_TRANSITIONS } from '../../shared/instance.ts';
import { ManualTime } from '../../test/helpers/manual-time.ts';
import { NO_MOVES } from '../../test/helpers/runner-stage.ts';
import type { InstanceSpec } from './instance-spec.ts';
import { InstanceState } from './instance-state.ts';

function newState() {
  const time = new ManualTime();
  const events: FleetEvent[] = [];
  const spec = {
    name: 'a',
    kind: 'user',
    userId: 'u',
    email: null,
    createdAt: time.now().toISOString(),
    directory: '/data/a',
    binary: { version: '0.39.1' },
    publicUrl: (port: number) => `http://127.0.0.1:${port}`,
    limits: () => ({ memory_bytes: null, disk_bytes: null, sleep_after: 0 }),
    sleepAfterMs: () => null,
    staysAwake: () => false,
    archived: () => null,
    hasOwnJobs: () => false,
    isDeveloper: () => false,
    access: () => 'app',
    isPrepared: () => true,
    applications: (): string[] => [],
    connectPorts: () => null,
  } as InstanceSpec;
  const state = new InstanceState(
    spec,
    { clock: time, publish: (event) => events.push(event), moves: NO_MOVES },
    9000,
  );
  return { time, events, state };
}

/** The shortest path from `stopped` to a phase in the transition table. */
function pathTo(goal: InstancePhase): InstancePhase[] {
  const paths: InstancePhase[][] = [['stopped']];
  for (let path = paths.shift(); path; path = paths.shift()) {
    const last = path.at(-1) ?? 'stopped';
    if (last === goal) return path.slice(1);
    for (const next of PHASE_TRANSITIONS[last]) if (!path.includes(next)) paths.push([...path, next]);
  }
  throw new Error(`${goal} cannot be reached`);
}

it('keeps a view until the state changes', () => {
  const { state } = newState();
  const changes = [
    () => state.enter('queued', null),
    () => state.enter('queued', { code: 'exited', message: '' }),
    () => state.update({}),
    () => state.recordProbe({ at: '', ok: true, latency_ms: 1, error: null }),
    () =>
      state.recordUsage({
        at: '',
        pss_bytes: 1,
        cpu_percent: null,
        sustained_cpu_percent: null,
        disk_bytes: null,
        open_connections: null,
      }),
  ];
  for (const change of changes) {
    const before = state.view();
    expect(state.view()).toBe(before);
    change();
    expect(state.view()).not.toBe(before);
  }
});

describe('entering a phase', () => {
  it.each(INSTANCE_PHASES)('%s: allows the transitions of the table and refuses all others', (phase) => {
    for (const next of INSTANCE_PHASES) {
      const { state, events } = newState();
      for (const step of pathTo(phase)) state.enter(step, null);
      const published = events.length;
      if (next === phase || PHASE_TRANSITIONS[phase].includes(next)) {
        state.enter(next, null);
        expect(state.phase).toBe(next);
      } else {
        expect(() => state.enter(next, null)).toThrow();
        expect([state.phase, events.length]).toEqual([phase, published]);
      }
    }
  });

  it('publishes the whole state; the same phase again is a change and keeps its time', async () => {
    const { state, events, time } = newState();
    state.enter('queued', null);
    const { since } = state.view();
    await time.advance(1_000);
    state.enter('queued', { code: 'exited', message: 'exit 1' }, { attempt: 1 });
    expect(events.map(({ kind }) => kind)).toEqual(['instance.phase', 'instance.changed']);
    expect(events[1]).toMatchObject({ instance: { since, attempt: 1, reason: { code: 'exited' } } });
  });
});

it('records an exit with the uptime and who ended the process', async () => {
  const { state, time } = newState();
  state.update({ pid: 7, startedAt: time.now() });
  await time.advance(12_340);
  state.recordExit({ code: null, signal: 'SIGKILL' }, null);
  expect(state.view()).toMatchObject({
    pid: null,
    started_at: null,
    last_exit: { code: null, signal: 'SIGKILL', uptime_s: 12.3, ended_by: null },
  });
});

it('a wait ends when the state is reached, or when the signal aborts', async () => {
  const { state } = newState();
  const controller = new AbortController();
  const [running, never] = [
    state.until(() => state.phase === 'starting', new AbortController().signal),
    state.until(() => state.phase === 'failed', controller.signal),
  ];
  state.enter('queued', null);
  state.enter('starting', null);
  expect(await running).toBe(true);
  controller.abort();
  expect(await never).toBe(false);
  expect(await state.until(() => true, controller.signal)).toBe(true);
});
