import { expect, it } from 'vitest';
import type { AlertMessage } from './alert-message.ts';
import { addMessage, nextMessage, noteAttempt, type Outbox, onlyChannels } from './alert-outbox.ts';
import type { Channel } from './channels/channels.ts';

const MINUTE_MS = 60_000;

function message(id: string): AlertMessage {
  const data = { fleet: 'f', problems: [], resolved: [], more: 0, open: 0 };
  return { id, type: 'alert', timestamp: '2026-01-15T10:00:00.000Z', text: id, data };
}

function outboxOf(ids: readonly string[], channels: readonly Channel[]): Outbox {
  return ids.reduce<Outbox>((outbox, id) => addMessage(outbox, message(id), channels, 0).outbox, []);
}

it('keeps a message until each channel has taken it', () => {
  let outbox = outboxOf(['a'], ['webhook', 'mail']);
  outbox = noteAttempt(outbox, { id: 'a', channel: 'mail', isSent: true, nowMs: 0 }).outbox;
  expect(nextMessage(outbox, 'mail', 0)).toBeNull();
  expect(nextMessage(outbox, 'webhook', 0)?.id).toBe('a');
  outbox = noteAttempt(outbox, { id: 'a', channel: 'webhook', isSent: true, nowMs: 0 }).outbox;
  expect(outbox).toEqual([]);
});

it('waits longer after each failure, and then gives the message up for this channel', () => {
  let outbox = outboxOf(['a', 'b'], ['webhook', 'mail']);
  const waits: number[] = [];
  let [nowMs, last] = [0, 0];
  for (let result = 'failed'; result === 'failed'; ) {
    while (nextMessage(outbox, 'webhook', nowMs) === null) nowMs += 1_000;
    waits.push((nowMs - last) / MINUTE_MS);
    last = nowMs;
    // The order is kept: `b` does not overtake `a`.
    expect(nextMessage(outbox, 'webhook', nowMs)?.id).toBe('a');
    ({ outbox, result } = noteAttempt(outbox, { id: 'a', channel: 'webhook', isSent: false, nowMs }));
  }
  expect(waits).toEqual([0, 0.5, 1, 2, 4, 8, 16, 32, 60, 60, 60, 60, 60, 60]);
  expect(nextMessage(outbox, 'webhook', nowMs)?.id).toBe('b');
  expect(nextMessage(outbox, 'mail', nowMs)?.id).toBe('a');
});

it('a clock that is set back delays no attempt', () => {
  const { outbox } = noteAttempt(outboxOf(['a'], ['webhook']), {
    id: 'a',
    channel: 'webhook',
    isSent: false,
    nowMs: 10 * 86_400_000,
  });
  expect(nextMessage(outbox, 'webhook', 0)?.id).toBe('a');
});

it('keeps the last 50 messages, and those of configured channels', () => {
  const ids = Array.from({ length: 50 }, (_, index) => `m${index}`);
  const full = outboxOf(ids, ['webhook', 'mail']);
  const { outbox, dropped } = addMessage(full, message('last'), ['mail'], 0);
  expect([outbox.length, nextMessage(outbox, 'mail', 0)?.id]).toEqual([50, 'm1']);
  expect(dropped).toEqual(['webhook', 'mail']);
  expect(onlyChannels(outbox, ['webhook'])).toHaveLength(49);
  expect(addMessage([], message('a'), [], 0).outbox).toEqual([]);
});
