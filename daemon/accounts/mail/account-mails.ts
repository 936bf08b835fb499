import { FathomError, messageOf } from '../../../shared/errors.ts';
import type {
  AccountMail,
  MessageRequest,
  SendMailRequest,
  SendMailResult,
} from '../../../shared/hooks/control-plane-routes.ts';
import type { Logger } from '../../base/log/log.ts';
import type { Clock } from '../../base/time/clock.ts';
import type { ControlPlaneClient } from '../../control-plane/client.ts';
import type { User, UserRepository } from '../user-repository.ts';
import type { MailLimits } from './mail-limits.ts';
import type { Mail, Mailer } from './mailer.ts';

/** How long an answer about the dashboard's mail server is used for the status. */
const CACHED_MS = 30_000;

interface AccountMailsDeps {
  controlPlane: ControlPlaneClient;
  users: UserRepository;
  mailer: Mailer;
  limits: MailLimits;
  clock: Clock;
  log: Logger;
}

/** Mails with a link that proves the e-mail address of an account. The global PocketBase makes their tokens and texts. */
export class AccountMails {
  readonly #deps: AccountMailsDeps;
  #known: { atMs: number; configured: boolean } | null = null;

  constructor(deps: AccountMailsDeps) {
    this.#deps = deps;
  }

  /** Whether a mail server is configured, in the settings of the daemon or in the dashboard of the global PocketBase. */
  async isConfigured(): Promise<boolean> {
    const { clock, controlPlane, mailer } = this.#deps;
    if (mailer.isConfigured) return true;
    const { smtp } = await controlPlane.call((client) => client.settings.getAll());
    const configured = (smtp as { enabled?: unknown }).enabled === true;
    this.#known = { atMs: clock.monotonic(), configured };
    return configured;
  }

  /** The same for the status, at most 30 seconds old; null while the global PocketBase cannot be read. */
  async recentlyConfigured(): Promise<boolean | null> {
    const { clock, mailer } = this.#deps;
    if (!mailer.isConfigured && this.#known && clock.monotonic() - this.#known.atMs < CACHED_MS)
      return this.#known.configured;
    // The status shows by itself that the global PocketBase does not answer.
    return this.isConfigured().catch(() => null);
  }

  /** Sends the link that proves the address. @throws FathomError `not_found`, `conflict`, `mail.failed` */
  async sendVerification(userId: string): Promise<void> {
    const { users } = this.#deps;
    const user = await users.get(userId);
    if (user.verified)
      throw new FathomError('conflict', `the e-mail address ${user.email} is proved already`);
    await this.requireServer(
      `set SMTP_HOST, or prove the address with 'fathomd users set ${user.email} --verified'`,
    );
    await this.#send(user, 'verification');
  }

  /** Sends a mail that only shows that mails arrive. @throws FathomError `mail.failed` */
  async sendTest(to: string): Promise<void> {
    await this.requireServer('set SMTP_HOST, SMTP_USER, SMTP_PASSWORD and MAIL_FROM, and reload the daemon');
    const text = 'This is a test mail of Fathom. Mails of accounts are sent over the same server.';
    await this.sendMessage({ to: [to], subject: 'Test mail of Fathom', html: `<p>${text}</p>`, text });
  }

  /** @throws FathomError `mail.failed` without a mail server */
  async requireServer(remedy: string): Promise<void> {
    if (await this.isConfigured()) return;
    throw new FathomError('mail.failed', `no mail server is configured; ${remedy}`);
  }

  /** Sends the link after a sign-up. Never rejects: the account exists, and can request another mail. */
  async verifyAfterSignUp(userId: string): Promise<void> {
    const { limits, log, users } = this.#deps;
    try {
      if (!(await this.isConfigured())) {
        log.warn(
          { user: userId },
          'an account waits for the proof of its address, but no mail server is configured',
        );
        return;
      }
      const user = await users.find(userId);
      // A sign-up with a provider is not stored yet, and its address is proved.
      if (user === null || user.verified || !limits.takeMail('verification', [user.email])) return;
      await this.#send(user, 'verification');
    } catch (error) {
      log.warn({ user: userId }, `the mail that proves an address was not sent: ${messageOf(error)}`);
    }
  }

  /**
   * Sends a mail on request of a stranger, if there is an account that can get it now. Never rejects, and the caller must not wait
   * for it: the time would show whether the account exists.
   */
  async sendOnRequest(email: string, kind: AccountMail): Promise<void> {
    const { limits, log, users } = this.#deps;
    try {
      const { items } = await users.list({ page: 1, per_page: 2, sort: 'created', email });
      const [user] = items.filter((one) => one.email === email).concat(items);
      if (!user?.is_active || (kind === 'verification' && user.verified)) return;
      if (!limits.takeMail(kind, [user.email])) return;
      await this.#send(user, kind);
    } catch (error) {
      log.warn({ kind }, `a requested mail was not sent: ${messageOf(error)}`);
    }
  }

  /** Sends another mail. @throws FathomError `mail.failed` */
  async sendMessage(mail: Mail): Promise<void> {
    const body: MessageRequest = mail;
    const { problem } = await this.#deps.controlPlane.post<SendMailResult>('/api/fathom/mails/message', body);
    if (problem !== null) throw new FathomError('mail.failed', problem);
  }

  async #send(user: User, kind: AccountMail): Promise<void> {
    const body: SendMailRequest = { user: user.id, kind };
    const { problem } = await this.#deps.controlPlane.post<SendMailResult>('/api/fathom/mails/send', body);
    if (problem !== null) throw new FathomError('mail.failed', problem);
  }
}
