import type { CreatedInvitation, NewInvitation } from '../../../shared/api/accounts/invitations.ts';
import { FathomError, messageOf } from '../../../shared/errors.ts';
import type { Clock } from '../../base/time/clock.ts';
import type { LiveSettings } from '../../config/live-settings.ts';
import type { AccountMails } from '../mail/account-mails.ts';
import type { Plans } from '../plans/plans.ts';
import type { UserRepository } from '../user-repository.ts';
import { invitationMail } from './invitation-mail.ts';
import type { InvitationRepository } from './invitation-repository.ts';
import { invitationLink, newInvitationToken } from './invitation-token.ts';

const DAY_MS = 86_400_000;
const DEFAULT_DAYS = 7;
/** The name of the service in mails that the dashboard's mail server sends. */
const DEFAULT_SERVICE = 'Fathom';

interface InvitationsDeps {
  repository: InvitationRepository;
  users: Pick<UserRepository, 'list'>;
  plans: Pick<Plans, 'has'>;
  mails: Pick<AccountMails, 'isConfigured' | 'sendMessage'>;
  settings: Pick<LiveSettings, 'mail' | 'signUps' | 'siteUrl'>;
  clock: Clock;
}

/** Creates invitations and sends them. `pb_hooks/global/lib/invitations.js` uses them. */
export class Invitations {
  readonly #deps: InvitationsDeps;

  constructor(deps: InvitationsDeps) {
    this.#deps = deps;
  }

  /**
   * Creates an invitation. With an address, it is sent there if that is possible, and its token is returned otherwise.
   *
   * @throws FathomError `request.invalid`, `conflict` if the address has an account, or sign-ups are closed
   */
  async create(request: NewInvitation, createdBy: string): Promise<CreatedInvitation> {
    const { clock, repository } = this.#deps;
    const { expires_days = DEFAULT_DAYS, uses = 1, mail = true } = request;
    const email = request.email ?? null;
    const plan = request.plan ?? null;
    await this.#check({ email, plan, uses });
    const { token, hash } = newInvitationToken();
    const link = this.#linkOf(token, email);
    const obstacle = email !== null && mail ? await this.#mailObstacle(link) : null;
    const recipient = email !== null && mail && obstacle === null && link !== null ? { email, link } : null;
    const now = clock.now();
    const expiresAt = new Date(now.getTime() + expires_days * DAY_MS);
    const invitation = await repository.create(
      { hash, email, plan, max_uses: uses, expiresAt, created_by: createdBy, mailed: recipient !== null },
      now,
    );
    if (recipient === null) return { ...invitation, token, link, mail_problem: obstacle };
    const problem = await this.#send({ ...recipient, expiresAt });
    if (problem === null) return { ...invitation, token: null, link: null, mail_problem: null };
    // Before the token is shown. It proves the address only while no other person can know it.
    await repository.noteShown(invitation.id);
    return { ...invitation, mailed: false, token, link, mail_problem: problem };
  }

  async #check({
    email,
    plan,
    uses,
  }: {
    email: string | null;
    plan: string | null;
    uses: number;
  }): Promise<void> {
    if (this.#deps.settings.signUps.mode === 'closed') {
      const remedy = 'set SIGN_UP_MODE=invited and reload the daemon';
      throw new FathomError('conflict', `sign-ups are closed, so no invitation can be used; ${remedy}`);
    }
    if (plan !== null && !this.#deps.plans.has(plan)) {
      const message = "is not the name of a plan; see 'fathomd plans list'";
      throw new FathomError('request.invalid', `there is no plan '${plan}'`, {
        fields: [{ path: 'plan', message }],
      });
    }
    if (email === null) return;
    if (uses > 1) {
      throw new FathomError('request.invalid', 'an invitation for one address has one use', {
        fields: [{ path: 'uses', message: 'must be 1 with an address; leave out the address for more' }],
      });
    }
    const { total } = await this.#deps.users.list({ page: 1, per_page: 1, sort: 'created', email });
    if (total > 0) {
      const remedy = `see 'fathomd users show ${email}'`;
      throw new FathomError('conflict', `the e-mail address ${email} has an account already; ${remedy}`);
    }
  }

  /** Why no mail can be sent at all; null if one can. */
  async #mailObstacle(link: string | null): Promise<string | null> {
    if (!(await this.#deps.mails.isConfigured())) return 'no mail server is configured; set SMTP_HOST';
    return link === null ? 'the link needs PUBLIC_URL; set it' : null;
  }

  #linkOf(token: string, email: string | null): string | null {
    const { siteUrl } = this.#deps.settings;
    return siteUrl === null ? null : invitationLink(siteUrl, token, email);
  }

  /** Returns why the mail was not sent; null if the mail server took it. */
  async #send({
    email,
    link,
    expiresAt,
  }: {
    email: string;
    link: string;
    expiresAt: Date;
  }): Promise<string | null> {
    const { mails, settings } = this.#deps;
    const service = settings.mail?.from.name ?? DEFAULT_SERVICE;
    try {
      await mails.sendMessage(invitationMail({ email, link, service, expiresAt }));
      return null;
    } catch (error) {
      return messageOf(error);
    }
  }
}
