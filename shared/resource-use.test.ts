import { expect, it } from 'vitest';
import type { Instance } from './api/instances.ts';
import { type HostResources, resourceProblem } from './resource-use.ts';

const MIB = 1024 * 1024;
const HOST: HostResources = { memory_total_bytes: 1000 * MIB, processors: 2 };

function instance(pssMib: number, cpu: number, limitMib: number | null, changes: Partial<Instance> = {}) {
  return {
    name: '2026-01-15-001-ann',
    kind: 'user',
    pid: 1,
    usage: {
      at: '',
      pss_bytes: pssMib * MIB,
      cpu_percent: 0,
      sustained_cpu_percent: cpu,
      disk_bytes: null,
      open_connections: null,
    },
    limits: { memory_bytes: limitMib === null ? null : limitMib * MIB, disk_bytes: null, sleep_after: 0 },
    ...changes,
  } as Instance;
}

it.each([
  ['little', instance(10, 5, null), null],
  ['below 80 % of its limit', instance(79, 5, 100), null],
  ['80 % of its limit', instance(80, 5, 100), 'memory_limit'],
  ['much, but below its limit', instance(300, 5, 900), null],
  ['a fifth of the host without a limit', instance(200, 5, null), 'memory_share'],
  ['most of a core', instance(10, 80, null), 'cpu'],
  ['no process', instance(900, 200, 100, { pid: null }), null],
  ['the global instance', instance(900, 200, null, { kind: 'global' }), null],
])('%s', (_what, one, kind) => {
  expect(resourceProblem(one, HOST)?.kind ?? null).toBe(kind);
});

it('compares the processor time with all processors of the host', () => {
  const busy = instance(10, 150, null);
  expect(resourceProblem(busy, { ...HOST, processors: 4 })?.kind).toBe('cpu');
  expect(resourceProblem(busy, { ...HOST, processors: 16 })).toBeNull();
});

it('reports nothing about an unknown host', () => {
  const host = { memory_total_bytes: null, processors: null };
  expect(resourceProblem(instance(900, 200, null), host)).toBeNull();
});
