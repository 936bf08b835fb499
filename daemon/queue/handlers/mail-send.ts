import { isIP } from 'node:net';
import { createTransport } from 'nodemailer';
import { describeIssue } from '../../../shared/api/contract/value-errors.ts';
import { messageOf } from '../../../shared/errors.ts';
import type { BuiltInTaskContext } from './context.ts';
import { mailPayloadSchema } from './mail-payload.ts';
import { SmtpTranscript } from './smtp-transcript.ts';
import { resolveTarget, TargetRefused } from './target.ts';

const TIMEOUT_MS = 30_000;

/**
 * Sends a mail over SMTP. It is not retried after a permanent error (5xx), nor when some recipients received it, because
 * they would receive it again, nor when the server does not take the letters of an address.
 */
export async function handle(
  given: unknown,
  { task, allowedTargets, UnrecoverableError }: BuiltInTaskContext,
): Promise<{ message_id: string; accepted: string[]; rejected: string[] }> {
  const parsed = mailPayloadSchema.safeParse(given, { error: describeIssue });
  if (!parsed.success) throw new UnrecoverableError(`the payload is invalid: ${messageOf(parsed.error)}`);
  const { smtp, secrets, reply_to, ...mail } = parsed.data;
  const [{ address: host }] = await resolveTarget(smtp, allowedTargets).catch((error: unknown) => {
    throw error instanceof TargetRefused ? new UnrecoverableError(error.message) : error;
  });
  const transcript = new SmtpTranscript();
  const transport = createTransport({
    logger: transcript,
    transactionLog: true,
    // The checked address. The certificate is verified for the name.
    host,
    ...(isIP(smtp.host) === 0 ? { tls: { servername: smtp.host } } : {}),
    port: smtp.port,
    secure: smtp.secure,
    requireTLS: smtp.require_tls && !smtp.secure,
    ...(secrets ? { auth: { user: secrets.user, pass: secrets.password } } : {}),
    connectionTimeout: TIMEOUT_MS,
    greetingTimeout: TIMEOUT_MS,
    socketTimeout: TIMEOUT_MS,
    // A payload must not read files of this host or fetch URLs.
    disableFileAccess: true,
    disableUrlAccess: true,
  });
  try {
    const sent = await transport.sendMail({
      ...mail,
      ...(reply_to === undefined ? {} : { replyTo: reply_to }),
      // The same for every attempt, so that a second delivery can be recognized.
      messageId: `<${task.id}@fathom>`,
    });
    const [accepted, rejected] = [sent.accepted.map(toAddress), sent.rejected.map(toAddress)];
    if (rejected.length > 0) {
      const reasons = (sent.rejectedErrors ?? []).map(({ message }) => message).join('; ');
      const remedy = remedyFor(transcript) ?? 'add another task for these';
      throw new UnrecoverableError(
        `${accepted.join(', ')} got the mail, ${rejected.join(', ')} did not: ${reasons}; ${remedy}`,
      );
    }
    return { message_id: sent.messageId, accepted, rejected };
  } catch (error) {
    const { code, responseCode } = error as { code?: string; responseCode?: number };
    // EENVELOPE without a response: the payload has no usable sender or recipients.
    const isPermanent = responseCode === undefined ? code === 'EENVELOPE' : responseCode >= 500;
    const remedy = remedyFor(transcript);
    if (remedy !== null) throw new UnrecoverableError(`${messageOf(error)}; ${remedy}`);
    if (isPermanent) throw new UnrecoverableError(messageOf(error));
    throw error;
  } finally {
    transport.close();
  }
}

/** What to do when the server cannot deliver to an address, also if it answers that it may later; null when that is not the cause. */
function remedyFor({ impossibleAddress }: SmtpTranscript): string | null {
  if (impossibleAddress === null) return null;
  return `'${impossibleAddress}' has letters outside ASCII before the @, and this mail server does not take them (SMTPUTF8); use another address, or a server with SMTPUTF8`;
}

function toAddress(given: string | { address: string }): string {
  return typeof given === 'string' ? given : given.address;
}
