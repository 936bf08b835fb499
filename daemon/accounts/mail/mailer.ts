import { FathomError } from '../../../shared/errors.ts';
import type { Logger } from '../../base/log/log.ts';
import { Semaphore } from '../../base/semaphore.ts';
import type { LiveSettings } from '../../config/live-settings.ts';
import type { MailConfig } from '../../config/mail.ts';
import { type SmtpError, smtpProblem } from './smtp-problem.ts';

/** For each step of the conversation with the server. A hook of the global PocketBase waits longer (`lib/mails.js`). */
const STEP_TIMEOUT_MS = 8_000;
const CONCURRENT = 8;
/** Further mails that wait for their turn. */
const MAX_WAITING = 100;

export interface Mail {
  to: readonly string[];
  subject: string;
  html: string;
  text: string;
}

/** Sends the mails of accounts over the mail server of the settings. */
export class Mailer {
  readonly #settings: Pick<LiveSettings, 'mail'>;
  readonly #log: Logger;
  readonly #slots = new Semaphore(CONCURRENT);
  #open = 0;
  #problem: string | null = null;

  constructor({ settings, log }: { settings: Pick<LiveSettings, 'mail'>; log: Logger }) {
    this.#settings = settings;
    this.#log = log;
  }

  /** Whether the settings name a mail server. */
  get isConfigured(): boolean {
    return this.#settings.mail !== null;
  }

  /** Why the last mail could not be sent; null when it was sent. */
  get problem(): string | null {
    return this.#settings.mail === null ? null : this.#problem;
  }

  /** @throws FathomError `mail.failed` with the cause and the remedy */
  async send(mail: Mail): Promise<void> {
    const { mail: settings } = this.#settings;
    if (settings === null)
      throw new FathomError('mail.failed', 'no mail server is configured; set SMTP_HOST');
    if (this.#open >= CONCURRENT + MAX_WAITING)
      throw new FathomError('mail.failed', 'too many mails wait for the mail server; try again later');
    this.#open += 1;
    // Nothing aborts this wait: each mail before it has a timeout.
    const release = await this.#slots.acquire(new AbortController().signal);
    try {
      await deliver(mail, settings);
      this.#problem = null;
    } catch (error) {
      const problem = smtpProblem(error as SmtpError, settings);
      // A server that refuses one recipient works.
      if (!problem.isAboutRecipient) this.#problem = problem.message;
      this.#log.warn({ subject: mail.subject }, `cannot send a mail: ${problem.message}`);
      throw new FathomError('mail.failed', problem.message, { cause: error });
    } finally {
      release?.();
      this.#open -= 1;
    }
  }
}

async function deliver(
  { to, ...content }: Mail,
  { host, port, tls, login, from }: MailConfig,
): Promise<void> {
  // Loaded on demand, because most daemons send no mail.
  const { createTransport } = await import('nodemailer');
  const transport = createTransport({
    host,
    port,
    secure: tls === 'implicit',
    requireTLS: tls === 'starttls',
    ignoreTLS: tls === 'off',
    ...(login ? { auth: { user: login.user, pass: login.password } } : {}),
    connectionTimeout: STEP_TIMEOUT_MS,
    greetingTimeout: STEP_TIMEOUT_MS,
    socketTimeout: STEP_TIMEOUT_MS,
    disableFileAccess: true,
    disableUrlAccess: true,
  });
  try {
    // As objects: a text could name several addresses.
    // The settings are frozen, and the addresses are changed there.
    await transport.sendMail({
      ...content,
      from: { ...from },
      to: to.map((address) => ({ name: '', address })),
    });
  } finally {
    transport.close();
  }
}
