import { z } from 'zod';
import { endpoint, OPERATION_TIMEOUT_MS } from './contract/endpoint.ts';
import { EXAMPLE_TIME } from './contract/fields.ts';

const time = z.iso.datetime();

/** Where alerts go. */
export const ALERT_CHANNELS = ['webhook', 'mail', 'command'] as const;

/** A part of the status of the daemon. */
export const alertStatusSchema = z
  .object({
    channels: z.array(
      z.object({
        channel: z.enum(ALERT_CHANNELS),
        sent_at: time.nullable().describe('When it took an alert last, since the start of the daemon.'),
        waiting: z.int().describe('Alerts that it has not taken.'),
        problem: z.string().nullable().describe('Why the last delivery failed; null when it did not.'),
      }),
    ),
    open: z.int().describe('Problems that were sent and last.'),
    state_problem: z
      .string()
      .nullable()
      .describe('Why the state of alerts could not be written last; null if it could.'),
    heartbeat: z
      .object({
        sent_at: time.nullable().describe('The last one that was answered, since the start of the daemon.'),
        withheld: z.string().nullable().describe('Why none is sent now; otherwise null.'),
        problem: z.string().nullable().describe('Why the last one failed; null when it did not.'),
      })
      .nullable()
      .describe('Null without HEARTBEAT_URL.'),
  })
  .meta({
    id: 'AlertStatus',
    description: 'Deliveries of alerts.',
    examples: [
      {
        channels: [{ channel: 'webhook', sent_at: EXAMPLE_TIME, waiting: 0, problem: null }],
        open: 1,
        state_problem: null,
        heartbeat: { sent_at: EXAMPLE_TIME, withheld: null, problem: null },
      },
    ],
  });

export type AlertStatus = z.infer<typeof alertStatusSchema>;

const testSchema = z
  .object({
    results: z.array(
      z.object({
        channel: z.enum(ALERT_CHANNELS),
        duration_ms: z.int(),
        problem: z.string().nullable().describe('Why it has not taken the message; null if it has.'),
      }),
    ),
  })
  .meta({
    id: 'AlertTest',
    examples: [{ results: [{ channel: 'webhook', duration_ms: 41, problem: null }] }],
  });

export type AlertTest = z.infer<typeof testSchema>;

export const testAlerts = endpoint({
  operationId: 'testAlerts',
  method: 'POST',
  path: '/api/v1/alerts/test',
  tag: { name: 'Alerts', description: 'Problems of the fleet that are sent to administrators.' },
  summary: 'Send a test message to every channel of alerts',
  description: 'Once, without retries. Reports what happened at each channel.',
  permission: 'queue.pause',
  audit: 'alert.test',
  responses: { 200: { description: 'What happened.', schema: testSchema } },
  timeoutMs: OPERATION_TIMEOUT_MS,
});

/** Methods of `client.alerts`. */
export const alerts = { test: testAlerts };
