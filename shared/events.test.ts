import { expect, it } from 'vitest';
import { coalesceKey, type FleetEvent, topicOf } from './events.ts';

const at = '2024-01-15T10:00:00.000Z';
const probe: FleetEvent = {
  kind: 'instance.probe',
  name: 'a',
  probe: { at, ok: true, latency_ms: 1, error: null },
};
const line: FleetEvent = { kind: 'log.line', name: 'a', line: { at, text: 'hello' } };
const removed: FleetEvent = { kind: 'instance.removed', name: 'a' };

it('a measurement replaces the previous one of the same instance only', () => {
  expect(coalesceKey(probe)).toBe('instance.probe:a');
  expect(coalesceKey({ ...probe, name: 'b' })).not.toBe(coalesceKey(probe));
});

it('state changes and log lines are delivered one by one', () => {
  expect(coalesceKey(removed)).toBeNull();
  expect(coalesceKey(line)).toBeNull();
});

it('each event has one topic', () => {
  expect([probe, removed, line].map(topicOf)).toEqual(['health', 'instances', 'logs:a']);
});
