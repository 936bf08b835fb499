import { isLoopbackHost } from '../../shared/host.ts';
import { isMailAddress } from './mail.ts';
import type { Variable } from './sources/variables.ts';
import type { ValueReader } from './value-reader.ts';

const MINUTE_MS = 60_000;
const MINUTES_OF_A_DAY = 24 * 60;
const MAX_RECIPIENTS = 20;
const SECRET_PREFIX = 'whsec_';
const MIN_SECRET_BYTES = 24;
const MAX_SECRET_BYTES = 64;
const BASE64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/;
const QUIET_HOURS =
  /^(?<from>[01]?\d|2[0-3]):(?<fromMinute>[0-5]\d)\s*-\s*(?<to>[01]?\d|2[0-4]):(?<toMinute>[0-5]\d)(?:\s+(?<timezone>\S+))?$/;

export interface AlertConfig {
  webhook: WebhookTarget | null;
  /** Addresses; empty without mails. */
  mailTo: readonly string[];
  /** Absolute path of a program. */
  command: string | null;
  intervalMs: number;
  quietHours: QuietHours | null;
  heartbeat: { url: string; intervalMs: number } | null;
}

export interface WebhookTarget {
  url: string;
  /** The decoded key of the signature. */
  secret: Uint8Array;
}

/** Minutes since midnight. Over midnight when `from` is greater. */
export interface QuietHours {
  from: number;
  to: number;
  /** IANA name, such as `Europe/Berlin`. */
  timezone: string;
}

/** Where events of users and databases are sent; null without EVENT_WEBHOOK_URL. */
export function readEventWebhook(read: ValueReader): WebhookTarget | null {
  return readWebhook(read, 'EVENT_WEBHOOK_URL', 'EVENT_WEBHOOK_SECRET');
}

export function readAlerts(read: ValueReader): AlertConfig {
  const heartbeatUrl = readTargetUrl(read, 'HEARTBEAT_URL');
  const intervalMs = read.wholeNumber('HEARTBEAT_INTERVAL') * MINUTE_MS;
  return {
    webhook: readWebhook(read, 'ALERT_WEBHOOK_URL', 'ALERT_WEBHOOK_SECRET'),
    mailTo: readRecipients(read),
    command: read.path('ALERT_COMMAND'),
    intervalMs: read.wholeNumber('ALERT_INTERVAL') * MINUTE_MS,
    quietHours: readQuietHours(read),
    heartbeat: heartbeatUrl === null ? null : { url: heartbeatUrl, intervalMs },
  };
}

/** Settings that are valid and probably wrong. */
export function webhookWarnings(targets: Partial<Record<Variable, WebhookTarget | null>>): string[] {
  return Object.entries(targets).flatMap(([name, target]) => {
    const url = target === null ? null : URL.parse(target.url);
    if (url?.protocol !== 'http:' || isLoopbackHost(url.hostname)) return [];
    return [`${name}: webhooks are sent without encryption; use https`];
  });
}

function readWebhook(read: ValueReader, urlName: Variable, secretName: Variable): WebhookTarget | null {
  const url = readTargetUrl(read, urlName);
  const secret = readWebhookSecret(read, secretName);
  if (read.text(urlName) === null) {
    if (secret !== null) read.problem(urlName, `is required with ${secretName}; set both or neither`);
    return null;
  }
  if (secret === null && !read.hasProblem(secretName))
    read.problem(
      secretName,
      `is required with ${urlName}; generate one with 'echo ${SECRET_PREFIX}$(openssl rand -base64 32)'`,
    );
  return url === null || secret === null ? null : { url, secret };
}

function readWebhookSecret(read: ValueReader, name: Variable): Uint8Array | null {
  const text = read.text(name);
  if (text === null) return null;
  const base64 = text.startsWith(SECRET_PREFIX) ? text.slice(SECRET_PREFIX.length) : text;
  const secret = BASE64.test(base64) ? Buffer.from(base64, 'base64') : null;
  if (secret !== null && secret.length >= MIN_SECRET_BYTES && secret.length <= MAX_SECRET_BYTES)
    return Uint8Array.from(secret);
  read.problem(
    name,
    `is not ${SECRET_PREFIX} and the base64 of ${MIN_SECRET_BYTES} to ${MAX_SECRET_BYTES} bytes; generate one with 'echo ${SECRET_PREFIX}$(openssl rand -base64 32)'`,
  );
  return null;
}

/** Null when it is missing or invalid. A message never shows the URL, which may contain a token. */
function readTargetUrl(read: ValueReader, name: Variable): string | null {
  const text = read.text(name);
  if (text === null) return null;
  const url = URL.parse(text);
  if (url === null || !['http:', 'https:'].includes(url.protocol)) {
    read.problem(name, 'is not an http or https URL; write it like https://ops.example.com/fathom');
    return null;
  }
  if (url.username !== '' || url.password !== '') {
    read.problem(name, 'must not contain a user name or password; use a token in the path or the query');
    return null;
  }
  if (url.port === '0') {
    read.problem(name, 'has port 0, which cannot be connected to; write the port of the receiver');
    return null;
  }
  return url.href;
}

function readRecipients(read: ValueReader): string[] {
  const addresses = read.list('ALERT_MAIL_TO');
  const invalid = addresses.findIndex((address) => !isMailAddress(address));
  if (invalid !== -1)
    read.problem(
      'ALERT_MAIL_TO',
      `entry ${invalid + 1} is not an e-mail address; write it like ops@example.com`,
    );
  if (addresses.length > MAX_RECIPIENTS)
    read.problem(
      'ALERT_MAIL_TO',
      `has ${addresses.length} addresses, at most ${MAX_RECIPIENTS} are allowed; use a mailing list`,
    );
  if (addresses.length > 0 && read.text('SMTP_HOST') === null)
    read.problem('ALERT_MAIL_TO', 'needs a mail server; set SMTP_HOST, MAIL_FROM and PUBLIC_URL');
  return addresses;
}

function readQuietHours(read: ValueReader): QuietHours | null {
  const text = read.text('ALERT_QUIET_HOURS');
  if (text === null) return null;
  const groups = QUIET_HOURS.exec(text)?.groups;
  const from = minutesOf(groups?.['from'], groups?.['fromMinute']);
  const to = minutesOf(groups?.['to'], groups?.['toMinute']);
  const timezone = groups?.['timezone'] ?? 'UTC';
  if (groups && from !== to && to <= MINUTES_OF_A_DAY && isTimezone(timezone)) return { from, to, timezone };
  read.problem(
    'ALERT_QUIET_HOURS',
    'is not a time of the day; write it like 22:00-07:00, or with a time zone like 22:00-07:00 Europe/Berlin',
  );
  return null;
}

function minutesOf(hour = '', minute = ''): number {
  return Number(hour) * 60 + Number(minute);
}

function isTimezone(timezone: string): boolean {
  try {
    return Intl.DateTimeFormat('en', { timeZone: timezone }).resolvedOptions().timeZone !== '';
  } catch {
    return false;
  }
}
