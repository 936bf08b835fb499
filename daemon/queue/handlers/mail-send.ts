import { createTransport } from 'nodemailer';
import { z } from 'zod';
import type { TaskContext } from './context.ts';

const addresses = z.union([z.string().min(1), z.array(z.string().min(1)).min(1).max(100)]);

const payloadSchema = z.strictObject({
  smtp: z.strictObject({
    host: z.string().min(1),
    port: z.int().min(1).max(65_535).default(587),
    /** TLS from the start; otherwise STARTTLS, which `require_tls` insists on. */
    secure: z.boolean().default(false),
    require_tls: z.boolean().default(true),
  }),
  from: z.string().min(1),
  to: addresses,
  cc: addresses.optional(),
  bcc: addresses.optional(),
  reply_to: z.string().optional(),
  subject: z.string().max(998).default(''),
  text: z.string().optional(),
  html: z.string().optional(),
  /** Kept encrypted. */
  secrets: z.strictObject({ user: z.string(), password: z.string() }).optional(),
});

const TIMEOUT_MS = 30_000;

/** Sends a mail over SMTP. Answers that are for good (5xx) are not tried again. */
export async function handle(
  given: unknown,
  { task, UnrecoverableError }: TaskContext,
): Promise<{ message_id: string; accepted: string[]; rejected: string[] }> {
  const parsed = payloadSchema.safeParse(given);
  if (!parsed.success)
    throw new UnrecoverableError(`the payload is not right: ${z.prettifyError(parsed.error)}`);
  const { smtp, secrets, reply_to, ...mail } = parsed.data;
  const transport = createTransport({
    host: smtp.host,
    port: smtp.port,
    secure: smtp.secure,
    requireTLS: smtp.require_tls && !smtp.secure,
    ...(secrets ? { auth: { user: secrets.user, pass: secrets.password } } : {}),
    connectionTimeout: TIMEOUT_MS,
    greetingTimeout: TIMEOUT_MS,
    socketTimeout: TIMEOUT_MS,
    // A payload must not read files of this host or fetch addresses in its name.
    disableFileAccess: true,
    disableUrlAccess: true,
  });
  try {
    const sent = await transport.sendMail({
      ...mail,
      ...(reply_to === undefined ? {} : { replyTo: reply_to }),
      // The same for every attempt, so that a second delivery can be told.
      messageId: `<${task.id}@fathom>`,
    });
    return {
      message_id: sent.messageId,
      accepted: sent.accepted.map(address),
      rejected: sent.rejected.map(address),
    };
  } catch (error) {
    const { responseCode } = error as { responseCode?: number };
    if (responseCode !== undefined && responseCode >= 500)
      throw new UnrecoverableError((error as Error).message);
    throw error;
  } finally {
    transport.close();
  }
}

function address(given: string | { address: string }): string {
  return typeof given === 'string' ? given : given.address;
}
