import { describeIssue } from '../../../shared/api/contract/value-errors.ts';
import { messageOf } from '../../../shared/errors.ts';
import { requestTrusted, webhookHeaders } from '../../base/webhook.ts';
import type { BuiltInTaskContext } from './context.ts';
import { webhookPayloadSchema } from './webhook-payload.ts';

/** Sends an event to EVENT_WEBHOOK_URL, signed. Each attempt has the id of the task. */
export async function handle(
  given: unknown,
  { signal, task, webhook, UnrecoverableError }: BuiltInTaskContext,
): Promise<{ sent: true }> {
  const parsed = webhookPayloadSchema.safeParse(given, { error: describeIssue });
  if (!parsed.success) throw new UnrecoverableError(`the payload is invalid: ${messageOf(parsed.error)}`);
  if (webhook === null) throw new Error('EVENT_WEBHOOK_URL is not set where this worker runs');
  const body = JSON.stringify({ id: task.id, ...parsed.data });
  const headers = webhookHeaders(
    { id: task.id, body, now: new Date() },
    Buffer.from(webhook.secret, 'base64'),
  );
  await requestTrusted(webhook.url, { method: 'POST', headers, body }, signal);
  return { sent: true };
}
