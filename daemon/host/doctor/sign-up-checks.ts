import type { DaemonStatus } from '../../../shared/api/daemon.ts';
import { type Finding, ok, warning } from './finding.ts';

/** Warn when this share of the databases exists. */
const WARNING_SHARE = 0.8;

export function checkRoom({ databases, max_databases: max }: DaemonStatus['sign_ups']): Finding[] {
  if (max === null) return [];
  const text = `${databases} of ${max} databases exist (MAX_DATABASES)`;
  if (databases < max * WARNING_SHARE) return [ok('max_databases', text)];
  const remedy = "raise MAX_DATABASES and reload the daemon, or delete databases: 'fathomd databases list'";
  return [warning('max_databases', databases < max ? text : `${text}, so sign-ups are rejected`, remedy)];
}

/** Whether mails of accounts can be sent. */
export function checkMail(
  { mode }: DaemonStatus['sign_ups'],
  { configured, problem }: DaemonStatus['mail'],
): Finding[] {
  if (problem !== null) {
    const remedy = "correct the settings of SMTP, then send a mail with 'fathomd users verify-mail EMAIL'";
    return [warning('mail', `the last mail of an account was not sent: ${problem}`, remedy)];
  }
  if (configured === false && mode === 'invited') {
    const summary = 'SIGN_UP_MODE is invited, but no mail server is set: invitations are not sent by mail';
    return [
      warning('mail', summary, 'set SMTP_HOST, MAIL_FROM and PUBLIC_URL, or hand the links over yourself'),
    ];
  }
  if (configured === false && mode === 'verified') {
    const summary =
      'SIGN_UP_MODE is verified, but no mail server is set: accounts get no link, and so no database';
    const remedy =
      "set SMTP_HOST, MAIL_FROM and PUBLIC_URL, or prove addresses with 'fathomd users set EMAIL --verified'";
    return [warning('mail', summary, remedy)];
  }
  return configured === true ? [ok('mail', 'a mail server for mails of accounts is set')] : [];
}
