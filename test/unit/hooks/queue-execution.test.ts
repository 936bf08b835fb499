import { describe, expect, it } from 'vitest';
import { modeOf, storageErrorOf } from '../../../pb_hooks/global/queue/execution.js';
import * as sql from '../../../pb_hooks/global/queue/sql.js';
import * as work from '../../../pb_hooks/global/queue/work.js';
import { QueueDatabase } from './queue-database.ts';

const { claim, settle, heartbeat } = work.operations;

describe('an operation', () => {
  const queue = new QueueDatabase();
  const single = queue.runner(false);
  const mode = (operation: Parameters<typeof modeOf>[0], body: object) => modeOf(operation, single, body);

  it('that changes nothing only reads', () => {
    expect(mode({ run: () => '', reads: true }, {})).toBe('read');
  });

  it('runs in a transaction unless its statements are independent', () => {
    expect(mode({ run: () => '' }, {})).toBe('transaction');
    expect(mode(heartbeat, {})).toBe('single');
  });

  it('ends a task without a transaction, except for a dead letter or after a lost response', () => {
    expect(mode(settle, { outcome: { kind: 'done' } })).toBe('single');
    expect(mode(settle, { outcome: { kind: 'dead' } })).toBe('transaction');
    expect(mode(settle, { outcome: { kind: 'done' }, held: [] })).toBe('transaction');
  });

  it('claims in a transaction only with an expired lease', () => {
    expect(mode(claim, { rescue: true })).toBe('single');
    queue.sql.exec(
      "INSERT INTO global_queue (id, status, lease_expires_at) VALUES ('a', 'processing', '2020')",
    );
    expect(mode(claim, { rescue: true })).toBe('transaction');
    expect(mode(claim, {})).toBe('single');
  });
});

it.each([
  ['database or disk is full (13)', 'disk is full'],
  ['disk I/O error: input/output error', 'disk I/O error'],
  ['attempt to write a readonly database (8)', 'readonly database'],
  ['database disk image is malformed', 'malformed'],
  ['database is locked (5) (SQLITE_BUSY)', 'database is locked'],
  ['UNIQUE constraint failed: global_queue.id', null],
])('%s has the storage error %s', (message, expected) => {
  expect(storageErrorOf(new Error(message))).toBe(expected);
});

it.each([
  [1500, '+1.500 seconds'],
  [-1, '+0.000 seconds'],
  [Number.NaN, '+0.000 seconds'],
  [Number.POSITIVE_INFINITY, '+60.000 seconds'],
  [90_000, '+60.000 seconds'],
])('limits %d ms to %s', (ms, expected) => {
  expect(sql.seconds(ms, sql.MAX_LEASE_MS)).toBe(expected);
});
