import { z } from 'zod';

/** The payload of `webhook.send`, which is sent as it is, with the id of the task. */
export const webhookPayloadSchema = z.strictObject({
  type: z.string().min(1).max(120),
  timestamp: z.iso.datetime(),
  data: z.record(z.string(), z.unknown()),
});
