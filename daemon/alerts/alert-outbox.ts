import { z } from 'zod';
import { ALERT_CHANNELS } from '../../shared/api/alerts.ts';
import { backoffMs } from '../../shared/backoff.ts';
import { type AlertMessage, alertMessageSchema } from './alert-message.ts';
import type { Channel } from './channels/channels.ts';

const BACKOFF = { baseMs: 30_000, capMs: 3_600_000 };
/** With the waits in between, about eight hours. */
const MAX_ATTEMPTS = 14;
/** Alerts that wait; the oldest is given up. */
const MAX_WAITING = 50;

const waitingSchema = z.object({
  message: alertMessageSchema,
  /** The channels that have not taken it. */
  channels: z.array(z.object({ channel: z.enum(ALERT_CHANNELS), attempts: z.int(), nextMs: z.number() })),
});

export const outboxSchema = z.array(waitingSchema);

/** Alerts that were decided and not taken by all channels, oldest first. JSON, so that it outlives the daemon. */
export type Outbox = z.infer<typeof outboxSchema>;

/** @returns the messages that are given up are in `dropped`, by their channels */
export function addMessage(
  outbox: Outbox,
  message: AlertMessage,
  channels: readonly Channel[],
  nowMs: number,
): { outbox: Outbox; dropped: Channel[] } {
  const added = { message, channels: channels.map((channel) => ({ channel, attempts: 0, nextMs: nowMs })) };
  const all = channels.length === 0 ? outbox : [...outbox, added];
  const kept = all.slice(-MAX_WAITING);
  const dropped = all.slice(0, all.length - kept.length);
  return { outbox: kept, dropped: dropped.flatMap((one) => one.channels.map(({ channel }) => channel)) };
}

/** The next message of a channel; null while it waits for its next attempt. The order of messages is kept. */
export function nextMessage(outbox: Outbox, channel: Channel, nowMs: number): AlertMessage | null {
  for (const { message, channels } of outbox) {
    const waiting = channels.find((one) => one.channel === channel);
    // A clock that was set back delays no attempt by more than the longest wait.
    if (waiting) return waiting.nextMs <= nowMs || waiting.nextMs > nowMs + BACKOFF.capMs ? message : null;
  }
  return null;
}

/** `dropped`: given up for the channel. */
export const DELIVERY_RESULTS = ['sent', 'failed', 'dropped'] as const;

type DeliveryResult = (typeof DELIVERY_RESULTS)[number];

/** Notes the result of one attempt. The last failed attempt gives the message up for the channel: `dropped`. */
export function noteAttempt(
  outbox: Outbox,
  { id, channel, isSent, nowMs }: { id: string; channel: Channel; isSent: boolean; nowMs: number },
): { outbox: Outbox; result: DeliveryResult } {
  let result: DeliveryResult = isSent ? 'sent' : 'failed';
  const next = outbox.map((one) => {
    if (one.message.id !== id) return one;
    const channels = one.channels.flatMap((waiting) => {
      if (waiting.channel !== channel) return [waiting];
      const attempts = waiting.attempts + 1;
      if (isSent) return [];
      if (attempts < MAX_ATTEMPTS)
        return [{ channel, attempts, nextMs: nowMs + backoffMs(attempts, BACKOFF) }];
      result = 'dropped';
      return [];
    });
    return { ...one, channels };
  });
  return { outbox: next.filter(({ channels }) => channels.length > 0), result };
}

/** Leaves out channels that are no longer configured. */
export function onlyChannels(outbox: Outbox, configured: readonly Channel[]): Outbox {
  return outbox
    .map((one) => ({
      ...one,
      channels: one.channels.filter(({ channel }) => configured.includes(channel)),
    }))
    .filter(({ channels }) => channels.length > 0);
}
