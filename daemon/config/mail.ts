import { isLoopbackHost } from '../../shared/host.ts';
import type { SETTINGS } from './sources/variables.ts';
import { isHost, type ValueReader } from './value-reader.ts';

export interface MailConfig {
  host: string;
  port: number;
  tls: (typeof SETTINGS.SMTP_TLS.choices)[number];
  login: { user: string; password: string } | null;
  from: { name: string; address: string };
}

const DEFAULT_NAME = 'Fathom';
const IMPLICIT_PORT = 465;
/** `address` or `name <address>`. A control character or an angle bracket would start another header or address. */
const SENDER = /^(?:"?(?<name>[^"<>\p{Cc}]{0,100}?)"?\s*<(?<inner>[^<>]+)>|(?<bare>[^<>]+))$/u;
const ADDRESS = /^[a-z0-9!#$%&'*+/=?^_`{|}~.-]{1,64}@[a-z0-9.-]{1,190}$/i;

/** Whether a mail can be sent to the text, without a name. */
export function isMailAddress(text: string): boolean {
  return ADDRESS.test(text);
}

/** Null without SMTP_HOST. */
export function readMail(read: ValueReader): MailConfig | null {
  const host = read.text('SMTP_HOST');
  const port = read.wholeNumber('SMTP_PORT');
  const tls = read.choice('SMTP_TLS');
  const login = readLogin(read);
  const from = readSender(read);
  if (host === null) return null;
  if (!isHost(host)) {
    const remedy = 'write it like mail.example.com, without a port or brackets';
    read.problem('SMTP_HOST', `is not an IP address or a host name; ${remedy}`);
  }
  if (read.text('PUBLIC_URL') === null) {
    const reason = 'because mails contain links';
    read.problem(
      'PUBLIC_URL',
      `is required with SMTP_HOST, ${reason}; write it like https://fathom.example.com`,
    );
  }
  if (from === null && !read.hasProblem('MAIL_FROM')) {
    read.problem(
      'MAIL_FROM',
      "is required with SMTP_HOST; write it like 'Example Cloud <noreply@example.com>'",
    );
  }
  return { host, port, tls, login, from: from ?? { name: '', address: '' } };
}

/** Null when PUBLIC_URL is not set. */
export function readSiteUrl(read: ValueReader): string | null {
  const text = read.text('PUBLIC_URL');
  if (text === null) return null;
  const url = URL.parse(text);
  const problem = siteUrlProblem(url);
  if (problem !== null) read.problem('PUBLIC_URL', problem);
  // Normalized: PocketBase writes it into the HTML of mails.
  return (url?.href ?? '').replace(/\/+$/, '');
}

/** Settings that are valid and probably wrong. */
export function mailWarnings({
  mail,
  siteUrl,
}: {
  mail: MailConfig | null;
  siteUrl: string | null;
}): string[] {
  const warnings: string[] = [];
  const url = siteUrl === null ? null : URL.parse(siteUrl);
  if (url?.protocol === 'http:' && !isLoopbackHost(url.hostname)) {
    warnings.push(
      'PUBLIC_URL: passwords are sent without encryption; use https, and a proxy that encrypts (docs/install.md)',
    );
  }
  if (mail === null) return warnings;
  if ((mail.port === IMPLICIT_PORT) !== (mail.tls === 'implicit')) {
    const usual = mail.tls === 'implicit' ? `port ${IMPLICIT_PORT}` : 'port 587 or 25';
    warnings.push(
      `SMTP_TLS: ${mail.tls} usually needs ${usual}, not SMTP_PORT ${mail.port}; correct one of the two`,
    );
  }
  if (mail.tls === 'off' && !isLoopbackHost(mail.host)) {
    warnings.push('SMTP_TLS: mails and the password are sent without encryption; use starttls or implicit');
  }
  return warnings;
}

function readLogin(read: ValueReader): MailConfig['login'] {
  const user = read.text('SMTP_USER');
  const password = read.text('SMTP_PASSWORD');
  if (user !== null && password !== null) return { user, password };
  if (user !== null) read.problem('SMTP_PASSWORD', 'is required with SMTP_USER; set both or neither');
  if (password !== null) read.problem('SMTP_USER', 'is required with SMTP_PASSWORD; set both or neither');
  return null;
}

/** Null when it is missing or invalid. */
function readSender(read: ValueReader): MailConfig['from'] | null {
  const text = read.text('MAIL_FROM');
  if (text === null) return null;
  const { name, inner, bare } = SENDER.exec(text)?.groups ?? {};
  const address = (inner ?? bare ?? '').trim();
  if (isMailAddress(address)) return { name: name?.trim() || DEFAULT_NAME, address };
  read.problem(
    'MAIL_FROM',
    "is not a sender; write it like noreply@example.com or 'Example Cloud <noreply@example.com>'",
  );
  return null;
}

function siteUrlProblem(url: URL | null): string | null {
  if (url === null || !['http:', 'https:'].includes(url.protocol))
    return 'is not an http or https URL; write it like https://fathom.example.com';
  if (url.username !== '' || url.password !== '')
    return 'must not contain a user name or password; remove them';
  if (url.search !== '' || url.hash !== '') return 'must not contain a query or a fragment; remove it';
  return null;
}
