import { isIP } from 'node:net';
import { createTransport } from 'nodemailer';
import { z } from 'zod';
import type { OwnTaskContext } from './context.ts';
import { mailPayloadSchema } from './mail-payload.ts';
import { resolveTarget, TargetRefused } from './target.ts';

const TIMEOUT_MS = 30_000;

/**
 * Sends a mail over SMTP. Answers that are for good (5xx) are not tried again, nor is a mail that some of its recipients
 * got: they would get it again.
 */
export async function handle(
  given: unknown,
  { task, allowedTargets, UnrecoverableError }: OwnTaskContext,
): Promise<{ message_id: string; accepted: string[]; rejected: string[] }> {
  const parsed = mailPayloadSchema.safeParse(given);
  if (!parsed.success)
    throw new UnrecoverableError(`the payload is not right: ${z.prettifyError(parsed.error)}`);
  const { smtp, secrets, reply_to, ...mail } = parsed.data;
  const [{ address: host }] = await resolveTarget(smtp, allowedTargets).catch((error: unknown) => {
    throw error instanceof TargetRefused ? new UnrecoverableError(error.message) : error;
  });
  const transport = createTransport({
    // What was checked; its certificate is that of the name.
    host,
    ...(isIP(smtp.host) === 0 ? { tls: { servername: smtp.host } } : {}),
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
    const [accepted, rejected] = [sent.accepted.map(address), sent.rejected.map(address)];
    if (rejected.length > 0) {
      const reasons = (sent.rejectedErrors ?? []).map(({ message }) => message).join('; ');
      throw new UnrecoverableError(
        `${accepted.join(', ')} got the mail, ${rejected.join(', ')} did not: ${reasons}; send it to them in a task of their own`,
      );
    }
    return { message_id: sent.messageId, accepted, rejected };
  } catch (error) {
    const { code, responseCode } = error as { code?: string; responseCode?: number };
    // Without an answer of the server it is the envelope of the payload that cannot be used.
    const isForGood = responseCode === undefined ? code === 'EENVELOPE' : responseCode >= 500;
    if (isForGood) throw new UnrecoverableError((error as Error).message);
    throw error;
  } finally {
    transport.close();
  }
}

function address(given: string | { address: string }): string {
  return typeof given === 'string' ? given : given.address;
}
