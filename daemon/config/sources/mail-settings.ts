import type { Setting } from './setting.ts';

const MAIL = { type: 'text', group: 'mail', reload: true } as const;

/** Settings of mails of accounts; a part of `SETTINGS`. */
export const MAIL_SETTINGS = {
  SMTP_HOST: {
    ...MAIL,
    about:
      'Mail server for the mails of accounts, like mail.example.com. Set it together with MAIL_FROM and PUBLIC_URL. ' +
      'Without it, the mail settings of the global PocketBase apply.',
  },
  SMTP_PORT: {
    ...MAIL,
    type: 'number',
    min: 1,
    max: 65_535,
    about: 'Port of the mail server.',
    default: 587,
  },
  SMTP_TLS: {
    type: 'choice',
    group: 'mail',
    about:
      'Encryption of the connection to the mail server. starttls: required, after the greeting (port 587). ' +
      'implicit: from the first byte (port 465). off: none; only for a mail server on this host.',
    default: 'starttls',
    choices: ['starttls', 'implicit', 'off'],
    reload: true,
  },
  SMTP_USER: { ...MAIL, about: 'User name at the mail server. Set it together with SMTP_PASSWORD.' },
  SMTP_PASSWORD: { ...MAIL, about: 'Password at the mail server.', hidden: true },
  MAIL_FROM: {
    ...MAIL,
    about:
      "Sender of the mails, like 'Example Cloud <noreply@example.com>'. The mails call the service by this name, " +
      'or Fathom if there is only an address.',
  },
  PUBLIC_URL: {
    type: 'URL',
    group: 'mail',
    about:
      'URL at which users reach the HTTP API, like https://fathom.example.com. Links in mails and invitations lead there.',
    reload: true,
  },
} as const satisfies Record<string, Setting>;
