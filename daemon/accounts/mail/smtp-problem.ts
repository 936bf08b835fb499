import { hostAndPort } from '../../../shared/host.ts';
import type { MailConfig } from '../../config/mail.ts';

/** An error of nodemailer. */
export interface SmtpError extends Error {
  code?: string;
  /** The last command that was sent. */
  command?: string;
  responseCode?: number;
}

/** What failed at the mail server, and what to do. `isAboutRecipient`: other recipients may get mails. */
export function smtpProblem(
  error: SmtpError,
  { host, port, tls }: Pick<MailConfig, 'host' | 'port' | 'tls'>,
): { message: string; isAboutRecipient: boolean } {
  const server = `the mail server ${hostAndPort(host, port)}`;
  const { code = '', responseCode } = error;
  const text = error.message.replace(/\s+/g, ' ').slice(0, 300);
  if (code === 'EENVELOPE') {
    return { message: `${server} refuses the sender or the recipient: ${text}`, isAboutRecipient: true };
  }
  return { message: messageFor(code, text, { server, tls }), isAboutRecipient: responseCode === 552 };
}

function messageFor(code: string, text: string, { server, tls }: { server: string; tls: string }): string {
  switch (code) {
    case 'EAUTH':
      return `${server} refuses the user name or password: ${text}; correct SMTP_USER and SMTP_PASSWORD`;
    case 'ENOAUTH':
      return `${server} wants a user name: ${text}; set SMTP_USER and SMTP_PASSWORD`;
    case 'EDNS':
    case 'ENOTFOUND':
      return `${server} is not found: ${text}; correct SMTP_HOST`;
    case 'ETLS':
      return `${server} offers no encryption that works: ${text}; correct SMTP_TLS (now ${tls}) or the certificate`;
    case 'ETIMEDOUT':
      return `${server} does not answer: ${text}; correct SMTP_HOST, SMTP_PORT or SMTP_TLS (now ${tls})`;
    case 'ECONNECTION':
    case 'ESOCKET':
      return `cannot connect to ${server}: ${text}; correct SMTP_HOST, SMTP_PORT or SMTP_TLS (now ${tls})`;
    default:
      return `${server} refuses the mail: ${text}`;
  }
}
