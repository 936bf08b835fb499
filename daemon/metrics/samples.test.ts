import { expect, it } from 'vitest';
import type { Instance, Usage } from '../../shared/api/instances.ts';
import { NO_TASKS } from '../../shared/task.ts';
import { Tally } from '../base/tally.ts';
import { systemClock } from '../base/time/clock.ts';
import { EventBus } from '../events/bus.ts';
import { Activity } from './activity.ts';
import { METRIC_NAMES, specOf } from './metrics-table.ts';
import { hasOwnSeries } from './own-series.ts';
import { renderMetrics } from './render.ts';
import { type Reading, samplesOf } from './samples.ts';
import { Wakes } from './wakes.ts';

const bus = new EventBus((error) => {
  throw error;
});

function instance(changes: Partial<Instance> & { name: string }): Instance {
  return {
    kind: 'user',
    phase: 'running',
    desired: 'running',
    reason: null,
    restarts: 0,
    started_at: null,
    usage: null,
    probe: null,
    limits: { memory_bytes: null, disk_bytes: null, sleep_after: 0 },
    ...changes,
  } as Instance;
}

function reading(changes: Partial<Reading> = {}): Reading {
  return {
    version: '1.2.3',
    pocketbaseVersion: '0.39.1',
    vulnerableInstances: 2,
    isReady: true,
    fleet: changes.instances ?? [],
    instances: [],
    queue: { paused: false, max_running: 2, counts: NO_TASKS },
    usage: null,
    droppedLogLines: 0,
    process: {
      cpuSeconds: 1,
      residentBytes: 2,
      heapUsedBytes: 3,
      startedAtSeconds: 4,
      openFiles: 5,
      maxFiles: Number.POSITIVE_INFINITY,
    },
    activity: new Activity(bus),
    wakes: new Wakes(bus, systemClock),
    alertDeliveries: new Tally([['webhook', 'sent']]),
    backups: {
      ageSeconds: 60,
      late: 0,
      failures: [{ reason: 'target_full', databases: 2 }],
      drills: { ok: true, ageSeconds: 3600, unproven: 0 },
      replica: { isUp: true, lagSeconds: 1.5 },
      counts: { made: 3, unchanged: 2, failed: 1, storedBytes: 4096 },
    },
    erasuresPending: 0,
    archivedDatabases: 0,
    ...changes,
  };
}

it('distinguishes a stopped database from one in trouble', () => {
  const now = reading({
    instances: [
      instance({ name: 'stopped', phase: 'stopped', desired: 'stopped' }),
      instance({ name: 'failed', phase: 'failed', reason: { code: 'disk_full', message: '' } }),
      instance({ name: 'hung', phase: 'unresponsive' }),
      instance({ name: 'fine' }),
    ],
  });
  const byDatabase = (name: Parameters<typeof samplesOf>[0]) =>
    Object.fromEntries(samplesOf(name, now).map(({ labels, value }) => [labels['database'], value]));
  expect(byDatabase('fathom_instance_up')).toEqual({ stopped: 0, failed: 0, hung: 0, fine: 1 });
  expect(byDatabase('fathom_instance_desired')).toEqual({ stopped: 0, failed: 1, hung: 1, fine: 1 });
  expect(samplesOf('fathom_instance_trouble', now).map(({ labels }) => labels['reason'])).toEqual([
    'disk_full',
    'unresponsive',
  ]);
  expect(samplesOf('fathom_instances_in_trouble', now)).toEqual([{ labels: {}, value: 2 }]);
});

it('does not count a database that sleeps as down or in trouble', () => {
  const reason = { code: 'idle' as const, message: '' };
  const now = reading({
    instances: [
      instance({ name: 'asleep', phase: 'asleep', reason }),
      instance({ name: 'falling', phase: 'stopping', reason }),
      instance({ name: 'waking', phase: 'waking' }),
      instance({ name: 'awake' }),
    ],
  });
  expect(samplesOf('fathom_instance_up', now).map(({ labels }) => labels['database'])).toEqual(['awake']);
  expect(samplesOf('fathom_instance_trouble', now)).toEqual([]);
  expect(samplesOf('fathom_instances', now)).toContainEqual({ labels: { phase: 'asleep' }, value: 1 });
});

it('shows no memory and no probe of a process that has ended', () => {
  const usage = { pss_bytes: 7_000_000, cpu_percent: 1, open_connections: 0, disk_bytes: 5 } as Usage;
  const probe = { at: '', ok: true, latency_ms: 2, error: null };
  const of = (name: Parameters<typeof samplesOf>[0], pid: number | null) =>
    samplesOf(name, reading({ instances: [instance({ name: 'x', pid, usage, probe })] })).length;
  for (const name of [
    'fathom_instance_pss_bytes',
    'fathom_instance_cpu_usage_ratio',
    'fathom_instance_open_connections',
    'fathom_instance_probe_duration_seconds',
  ] as const)
    expect([of(name, 4711), of(name, null)], name).toEqual([1, 0]);
  expect(of('fathom_instance_disk_bytes', null)).toBe(1);
});

it('leaves out values that cannot be read', () => {
  const now = reading({ queue: null, instances: [instance({ name: 'new' })] });
  for (const name of ['fathom_queue_tasks', 'fathom_queue_paused', 'fathom_disk_free_bytes'] as const)
    expect(samplesOf(name, now)).toEqual([]);
  expect(samplesOf('fathom_instance_pss_bytes', now)).toEqual([]);
});

it('shows limits, and leaves them out without a limit', () => {
  const limits = { memory_bytes: 1024, disk_bytes: null, sleep_after: 0 };
  const now = reading({ instances: [instance({ name: 'limited', limits }), instance({ name: 'free' })] });
  expect(samplesOf('fathom_instance_memory_limit_bytes', now)).toEqual([
    { labels: { database: 'limited', kind: 'user' }, value: 1024 },
  ]);
  expect(samplesOf('fathom_instance_disk_limit_bytes', now)).toEqual([]);
});

it('counts restarts and measures starts', () => {
  const activity = new Activity(bus);
  const enter = (to: Instance['phase'], second: number, restarts: number) =>
    bus.publish({
      kind: 'instance.phase',
      name: 'x',
      from: 'queued',
      to,
      at: new Date(second * 1000).toISOString(),
      instance: instance({ name: 'x', restarts }),
    });
  enter('starting', 1, 0);
  enter('running', 3, 0);
  enter('queued', 9, 1);
  enter('running', 10, 1);
  enter('backing_off', 11, 3);
  const now = reading({ activity });
  expect(samplesOf('fathom_restarts_total', now)).toContainEqual({ labels: { kind: 'user' }, value: 3 });
  const starts = samplesOf('fathom_instance_start_duration_seconds', now);
  const of = (suffix: string) =>
    starts.find((sample) => sample.suffix === suffix && sample.labels['kind'] === 'user')?.value;
  expect({ sum: of('_sum'), count: of('_count') }).toEqual({ sum: 2, count: 1 });
  expect(starts).toContainEqual({ labels: { kind: 'user', le: 1 }, value: 0, suffix: '_bucket' });
  expect(starts).toContainEqual({ labels: { kind: 'user', le: '+Inf' }, value: 1, suffix: '_bucket' });
});

it('shows names of databases only with the permission', async () => {
  const now = reading({ instances: [instance({ name: '2024-01-15-001-jo', phase: 'failed' })] });
  expect((await renderMetrics(now, { perDatabase: false })).text).not.toContain('001-jo');
  expect((await renderMetrics(now, { perDatabase: true })).text).toContain('database="2024-01-15-001-jo"');
});

it('gives counters, and no other metrics, a name that ends in _total', () => {
  for (const name of METRIC_NAMES)
    expect(name.endsWith('_total'), name).toBe(specOf(name).type === 'counter');
});

it('has series of databases that run or should run', () => {
  const states = [
    ['running', 'running', 1],
    ['stopping', 'stopped', 1],
    ['failed', 'running', null],
    ['waking', 'running', null],
    ['asleep', 'running', null],
    ['stopped', 'stopped', null],
  ] as const;
  const withSeries = (setting: 'awake' | 'all' | 'none', kind: 'user' | 'global' = 'user') =>
    states.flatMap(([phase, desired, pid]) =>
      hasOwnSeries({ kind, phase, desired, pid }, setting) ? phase : [],
    );
  expect(withSeries('awake')).toEqual(['running', 'stopping', 'failed', 'waking']);
  expect(withSeries('all')).toHaveLength(states.length);
  expect(withSeries('none')).toEqual([]);
  expect(withSeries('none', 'global')).toHaveLength(states.length);
});
