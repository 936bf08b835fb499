import type { FastifyRequest } from 'fastify';
import {
  confirmEmailChange,
  requestPasswordReset,
  requestVerification,
  resetPassword,
  sendTestMail,
  verifyAddress,
} from '../../../shared/api/accounts/mails.ts';
import { sendVerificationMail } from '../../../shared/api/accounts/users.ts';
import { FathomError } from '../../../shared/errors.ts';
import { type ControlPlaneClient, fieldsOf, isStatus } from '../../control-plane/client.ts';
import { originOf } from '../../http/client-address.ts';
import { type Api, serve } from '../../http/serve.ts';
import type { SignInBudget } from '../sign-in/sign-in-budget.ts';
import { RateLimitedError } from '../sign-in/sign-in-limits.ts';
import type { AccountMails } from './account-mails.ts';
import type { MailLimits } from './mail-limits.ts';

/** The global PocketBase tells the exact time in a header, which the client of its SDK does not return. */
const RETRY_MS = 60_000;

export interface AccountMailRoutesDeps {
  accountMails: AccountMails;
  mailLimits: MailLimits;
  controlPlane: ControlPlaneClient;
  signInBudget: SignInBudget;
  trustedProxies: readonly string[];
}

/** Registers the routes that request mails with a link, and those that use the link. */
export function accountMailRoutes(app: Api, deps: AccountMailRoutesDeps): void {
  const { accountMails, mailLimits } = deps;
  const countRequest = (request: FastifyRequest, action: string) =>
    mailLimits.countRequest(action, originOf(request, deps.trustedProxies).address);

  serve(app, requestVerification, (request) => {
    countRequest(request, 'verification');
    void accountMails.sendOnRequest(request.body.email, 'verification');
  });

  serve(app, requestPasswordReset, (request) => {
    countRequest(request, 'password_reset');
    void accountMails.sendOnRequest(request.body.email, 'password_reset');
  });

  /** Uses a link at the global PocketBase, which checks its token. */
  const confirm = async (request: FastifyRequest, action: string, body: object) => {
    const { address } = originOf(request, deps.trustedProxies);
    mailLimits.countRequest(action, address);
    try {
      await deps.signInBudget.run(() =>
        deps.controlPlane.postAsUser(`/api/collections/users/${action}`, body, { address }),
      );
    } catch (error) {
      if (isStatus(error, 429)) throw new RateLimitedError('too many passwords were wrong', RETRY_MS);
      throw isStatus(error, 400) ? toConfirmError(fieldsOf(error.response['data']), error) : error;
    }
  };

  serve(app, verifyAddress, (request) => confirm(request, 'confirm-verification', request.body));

  serve(app, resetPassword, (request) => {
    const { token, password } = request.body;
    return confirm(request, 'confirm-password-reset', { token, password, passwordConfirm: password });
  });

  serve(app, confirmEmailChange, (request) => confirm(request, 'confirm-email-change', request.body));

  serve(app, sendTestMail, ({ body }) => accountMails.sendTest(body.to));

  serve(app, sendVerificationMail, ({ params }) => accountMails.sendVerification(params.id));
}

/** A refusal by the global PocketBase: of the password, or else of the link. */
function toConfirmError(fields: ReturnType<typeof fieldsOf>, cause: unknown): FathomError {
  const password = fields.find(({ path }) => path === 'password');
  if (password && !fields.some(({ path }) => path === 'token')) {
    return new FathomError('request.invalid', 'the password is refused', {
      cause,
      fields: [{ path: 'password', message: password.message }],
    });
  }
  const reason = 'it has expired, was used, or is not complete';
  return new FathomError('link.invalid', `this link is not valid: ${reason}; request another mail`, {
    cause,
  });
}
