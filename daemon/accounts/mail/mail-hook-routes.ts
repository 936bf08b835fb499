import { messageOf } from '../../../shared/errors.ts';
import { daemonCallBodies, type MailDelivery, type MailVerdict } from '../../../shared/hooks/daemon-calls.ts';
import type { Api } from '../../http/serve.ts';
import type { MailLimits } from './mail-limits.ts';
import { textOf } from './mail-text.ts';
import type { Mailer } from './mailer.ts';

/** Templates may contain images. */
const MAIL_BYTES = 1024 * 1024;

export interface MailHookDeps {
  mailer: Mailer;
  mailLimits: MailLimits;
}

/** Registers the routes for hooks of the global PocketBase that send mails. */
export function mailHookRoutes(app: Api, { mailer, mailLimits }: MailHookDeps): void {
  const config = { permission: 'hook' } as const;

  app.post(
    '/internal/mails/begun',
    { config, schema: { hide: true, body: daemonCallBodies['/internal/mails/begun'] } },
    (request): MailVerdict => ({ allowed: mailLimits.takeMail(request.body.kind, request.body.emails) }),
  );

  app.post(
    '/internal/mails/send',
    { config, bodyLimit: MAIL_BYTES, schema: { hide: true, body: daemonCallBodies['/internal/mails/send'] } },
    async (request): Promise<MailDelivery> => {
      if (!mailer.isConfigured) return { handled: false, problem: null };
      const { to, subject, html, text } = request.body;
      try {
        await mailer.send({ to, subject, html, text: text || textOf(html) });
        return { handled: true, problem: null };
      } catch (error) {
        return { handled: true, problem: messageOf(error) };
      }
    },
  );
}
