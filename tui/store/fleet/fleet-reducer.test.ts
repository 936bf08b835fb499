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

function part(number: number, last: boolean, ...names: string[]): FleetChange {
  const data = names.map((name) => instance(name));
  return {
    kind: 'snapshot',
    now: NOW,
    frame: { type: 'snapshot', topic: 'instances', seq: number, data, part: number, last },
  };
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
  it('are replaced by a snapshot', () => {
    const state = after(snapshot('a', 'b'), snapshot('b', 'c'));
    expect([...state.instances.keys()]).toEqual(['b', 'c']);
    expect(state.snapshot_at).toBe(NOW);
  });

  it('come in parts, between which events count, and former ones stay until the last part', () => {
    const begun = after(
      snapshot('old', 'a'),
      part(1, false, 'a', 'b'),
      events({ kind: 'instance.added', instance: instance('new') }, { kind: 'instance.removed', name: 'b' }),
    );
    expect([...begun.instances.keys()].toSorted()).toEqual(['a', 'new', 'old']);
    const ended = reduceFleet(begun, part(2, true, 'c'));
    expect([...ended.instances.keys()].toSorted()).toEqual(['a', 'c', 'new']);
    expect(ended.partial).toBeNull();
  });

  it('are added, changed and removed by events', () => {
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

  it('get probes and usage from events; those of unknown instances are ignored', () => {
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

  it('are never changed in place', () => {
    const before = after(snapshot('a'));
    reduceFleet(before, events({ kind: 'instance.removed', name: 'a' }));
    expect(before.instances.size).toBe(1);
  });
});

describe('history', () => {
  it('takes one sample per usage of the daemon, up to a limit', () => {
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
  it('contains only lines of the open log, without control sequences', () => {
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

  it('adds the missed lines when a new snapshot overlaps', () => {
    const state = after({ kind: 'log.open', names: ['a'] }, logSnapshot('1', '2'), logSnapshot('2', '3'));
    expect(texts(state)).toEqual(['1', '2', '3']);
    expect(state.log?.buffer.first).toBe(0);
  });

  it('starts again with later numbers when a new snapshot does not overlap', () => {
    const state = after({ kind: 'log.open', names: ['a'] }, logSnapshot('1', '2'), logSnapshot('8', '9'));
    expect(texts(state)).toEqual(['8', '9']);
    expect(state.log?.buffer.first).toBe(2);
  });

  it('drops old lines above the limit and keeps the numbers of the others', () => {
    const many = Array.from({ length: MAX_LOG_LINES + 10 }, (_, index) => logEvent(String(index)));
    const state = after({ kind: 'log.open', names: ['a'] }, logSnapshot(), events(...many));
    expect(state.log?.buffer.lines).toHaveLength(MAX_LOG_LINES);
    expect(state.log?.buffer.first).toBe(10);
  });

  it('stores why it cannot be read', () => {
    const state = after(
      { kind: 'log.open', names: ['a'] },
      { kind: 'log.refused', name: 'a', message: 'no such instance' },
    );
    expect(state.log?.refusals).toEqual({ a: 'no such instance' });
  });
});

describe('the queue', () => {
  it('has a new version after each snapshot', () => {
    const data = { stats: null, tasks: [] };
    const queue: FleetChange = {
      kind: 'snapshot',
      now: NOW,
      frame: { type: 'snapshot', topic: 'queue', seq: 1, data },
    };
    expect(after(queue, queue).queue?.version).not.toBe(after(queue).queue?.version);
  });
});

describe('messages of the daemon', () => {
  it('are sanitised', () => {
    const link = { kind: 'refused', reason: 'no\u001B[2J way', signIn: false } as const;
    expect(after({ kind: 'link', link, now: NOW }).link).toEqual({ ...link, reason: 'no way' });
    const failed = after({ kind: 'status.failed', message: 'not\u0007 allowed' });
    expect(failed.status_problem).toBe('not allowed');
  });
});
