import { expect, it } from 'vitest';
import type { JournalEntry } from '../../../shared/api/events.ts';
import { auditEntry } from '../../../test/console/fleet-fixtures.ts';
import { initialState } from '../fleet/fleet-state.ts';
import { timelineOf } from './timeline.ts';

const at = (minute: number) => `2026-11-21T12:${String(minute).padStart(2, '0')}:00.000Z`;
const event = (minute: number): JournalEntry => ({
  at: at(minute),
  name: `2026-11-21-001-user${minute}`,
  kind: 'added',
  from: null,
  to: null,
  reason: null,
  last_exit: null,
});

it('starts at a time from which both sources are loaded', () => {
  const journal = { items: [event(30), event(40)], limit: 2, complete: false };
  const audit = {
    items: [auditEntry(2, { at: at(35) }), auditEntry(1, { at: at(10) })],
    limit: 2,
    complete: false,
  };
  const state = (complete: { journal: boolean }) => ({
    ...initialState(0),
    pages: {
      journal: { key: 'all', error: null, value: { ...journal, complete: complete.journal } },
      audit: { key: 'all', error: null, value: audit },
    },
  });
  const minutes = (known: ReturnType<typeof state>, tab: 'all' | 'audit') =>
    timelineOf(known, { tab, name: null, filter: '' }).map((entry) => Number(entry.at.slice(14, 16)));
  expect(minutes(state({ journal: false }), 'all')).toEqual([40, 35, 30]);
  expect(minutes(state({ journal: true }), 'all')).toEqual([40, 35, 30, 10]);
  expect(minutes(state({ journal: false }), 'audit')).toEqual([35, 10]);
});

it('shows the detail of an audit entry as sanitised text', () => {
  const detail = JSON.stringify({ status: 502, type: 'report \u001B[2Jweekly', signature: { a: 1 } });
  const audit = [auditEntry(1, { detail, address: 'local', request_id: 'r1' })];
  const [entry] = timelineOf({ ...initialState(0), audit }, { tab: 'audit', name: null, filter: '' });
  expect(entry?.detail).toBe('status 502 · type report weekly · signature {"a":1} · local · request r1');
  const fine = [auditEntry(1, { detail: '{"status":204}' }), auditEntry(2, { detail: 'as it is' })];
  const words = timelineOf({ ...initialState(0), audit: fine }, { tab: 'audit', name: null, filter: '' });
  expect(words.map((one) => one.detail)).toEqual(['as it is · local · request r', 'local · request r']);
});
