import { describe, expect, it } from 'vitest';
import type { FleetEvent } from '../../../shared/events.ts';
import { backingOff, daemonUsage, instance, usage } from '../../../test/console/fleet-fixtures.ts';
import { MAX_LOG_LINES } from '../logs/log-buffer.ts';
import { reduceFleet } from './fleet-reducer.ts';
import { type FleetChange, type FleetState, initialState } from './fleet-state.ts';

const NOW = Date.UTC(2026, 10, 21);

function after(...changes: FleetChange[]): FleetState {
  return changes.reduce(reduceFleet, initialState(NOW));
}

function snapshot(...names: string[]): FleetChange {
  const data = names.map((name) => instance(name));
  return { kind: 'snapshot', now: NOW, frame: { type: 'snapshot', topic: 'instances', seq: 1, data } };
}

function events(...list: FleetEvent[]): FleetChange {
  return { kind: 'events', events: list, now: NOW + 1000 };
}

function logSnapshot(...texts: string[]): FleetChange {
  const data = texts.map((text) => ({ at: `at ${text}`, text }));
  return { kind: 'snapshot', now: NOW, frame: { type: 'snapshot', topic: 'logs:a', seq: 1, data } };
}

const logEvent = (text: string): FleetEvent => ({
  kind: 'log.line',
  name: 'a',
  line: { at: `at ${text}`, text },
});
const texts = (state: FleetState) => state.log?.buffer.lines.map(({ text }) => text);

describe('instances', () => {
  it('a snapshot replaces everything that was known', () => {
    const state = after(snapshot('a', 'b'), snapshot('b', 'c'));
    expect([...state.instances.keys()]).toEqual(['b', 'c']);
    expect(state.snapshot_at).toBe(NOW);
  });

  it('follows an instance from its first event to its last', () => {
    const born = after(snapshot(), events({ kind: 'instance.added', instance: instance('a') }));
    expect(born.instances.get('a')?.phase).toBe('running');
    const fallen = reduceFleet(
      born,
      events({
        kind: 'instance.phase',
        name: 'a',
        from: 'running',
        to: 'backing_off',
        at: '',
        instance: backingOff('a'),
      }),
    );
    expect(fallen.instances.get('a')?.attempt).toBe(4);
    expect(reduceFleet(fallen, events({ kind: 'instance.removed', name: 'a' })).instances.size).toBe(0);
  });

  it('merges probes and usage, and ignores those of unknown instances', () => {
    const probe = { at: '', ok: false, latency_ms: 9, error: '\u001B[31mboom' };
    const state = after(
      snapshot('a'),
      events(
        { kind: 'instance.probe', name: 'a', probe },
        { kind: 'instance.usage', name: 'a', usage: usage(42, 1) },
        { kind: 'instance.usage', name: 'gone', usage: usage(42, 1) },
      ),
    );
    expect(state.instances.get('a')).toMatchObject({
      probe: { error: 'boom' },
      usage: { pss_bytes: 42 },
    });
    expect(state.instances.size).toBe(1);
  });

  it('never changes a state in place', () => {
    const before = after(snapshot('a'));
    reduceFleet(before, events({ kind: 'instance.removed', name: 'a' }));
    expect(before.instances.size).toBe(1);
  });
});

describe('history', () => {
  it('takes one sample per usage of the daemon, and is bounded', () => {
    let state = after(snapshot('a', 'b'));
    for (let beat = 0; beat < 300; beat += 1) {
      state = reduceFleet(state, events({ kind: 'daemon.usage', usage: daemonUsage({ cpu_percent: beat }) }));
    }
    expect(state.history.daemon_cpu).toHaveLength(240);
    expect(state.history.daemon_cpu.at(-1)).toBe(299);
    expect(state.history.fleet_cpu.at(-1)).toBeCloseTo(0.6);
    expect(state.usage?.cpu_percent).toBe(299);
  });
});

describe('log', () => {
  it('only takes lines of the log that is open, without their control sequences', () => {
    const closed = after(events(logEvent('x')));
    expect(closed.log).toBeNull();
    const state = after(
      { kind: 'log.open', names: ['a'] },
      logSnapshot('1'),
      events(logEvent('\u001B[31m2')),
    );
    expect(texts(state)).toEqual(['1', '2']);
    expect(after({ kind: 'log.open', names: ['b'] }, logSnapshot('1')).log?.waiting).toEqual(new Set(['b']));
  });

  it('keeps what it has when a new snapshot overlaps, and adds what was missed', () => {
    const state = after({ kind: 'log.open', names: ['a'] }, logSnapshot('1', '2'), logSnapshot('2', '3'));
    expect(texts(state)).toEqual(['1', '2', '3']);
    expect(state.log?.buffer.first).toBe(0);
  });

  it('begins anew, with later numbers, when too much was missed', () => {
    const state = after({ kind: 'log.open', names: ['a'] }, logSnapshot('1', '2'), logSnapshot('8', '9'));
    expect(texts(state)).toEqual(['8', '9']);
    expect(state.log?.buffer.first).toBe(2);
  });

  it('is bounded, and its line numbers count on', () => {
    const many = Array.from({ length: MAX_LOG_LINES + 10 }, (_, index) => logEvent(String(index)));
    const state = after({ kind: 'log.open', names: ['a'] }, logSnapshot(), events(...many));
    expect(state.log?.buffer.lines).toHaveLength(MAX_LOG_LINES);
    expect(state.log?.buffer.first).toBe(10);
  });

  it('says why it cannot be read', () => {
    const state = after(
      { kind: 'log.open', names: ['a'] },
      { kind: 'log.refused', name: 'a', message: 'no such instance' },
    );
    expect(state.log?.refusals).toEqual({ a: 'no such instance' });
  });
});

describe('the queue', () => {
  it('has a new version with every snapshot: what was lost before it may have changed any list', () => {
    const data = { stats: null, tasks: [] };
    const queue: FleetChange = {
      kind: 'snapshot',
      now: NOW,
      frame: { type: 'snapshot', topic: 'queue', seq: 1, data },
    };
    expect(after(queue, queue).queue?.version).not.toBe(after(queue).queue?.version);
  });
});

describe('what a daemon says of itself', () => {
  it('is harmless, too, and why its status cannot be read is forgotten when it can be', () => {
    const link = { kind: 'refused', reason: 'no\u001B[2J way', signIn: false } as const;
    expect(after({ kind: 'link', link, now: NOW }).link).toEqual({ ...link, reason: 'no way' });
    const failed = after({ kind: 'status.failed', message: 'not\u0007 allowed' });
    expect(failed.status_problem).toBe('not allowed');
  });
});
