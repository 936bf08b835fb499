import { z } from 'zod';
import { endpoint, noContent, OPERATION_TIMEOUT_MS } from '../contract/endpoint.ts';
import { newPasswordSchema } from './passwords.ts';

const tag = { name: 'Mails', description: 'Mails with a link that proves an e-mail address.' };

const EXAMPLE_TOKEN = 'eyJhbGciOiJIUzI1NiJ9.e30.signature';
const token = z.string().min(1).max(2000).meta({ description: 'The part of the link after the `#`.' });

const addressSchema = z
  .strictObject({ email: z.string().min(1).max(254) })
  .meta({ id: 'MailRequest', examples: [{ email: 'johndoe@example.com' }] });

const passwordLinkSchema = z
  .strictObject({ token, password: newPasswordSchema })
  .meta({ id: 'PasswordLink', examples: [{ token: EXAMPLE_TOKEN, password: 'three-lucky-otters' }] });

const requested = noContent('The mail is sent if an account waits for it. The response does not show this.');
const SAME_RESPONSE =
  'The response is the same with and without such an account. An e-mail address gets a few mails in an hour.';

export const requestVerification = endpoint({
  operationId: 'requestVerification',
  method: 'POST',
  path: '/api/v1/auth/request-verification',
  tag,
  summary: 'Send the mail that proves the address again',
  description: SAME_RESPONSE,
  permission: 'public',
  // Not recorded: strangers could fill the log.
  audit: null,
  body: addressSchema,
  responses: requested,
});

export const verifyAddress = endpoint({
  operationId: 'verifyAddress',
  method: 'POST',
  path: '/api/v1/auth/verify',
  tag,
  summary: 'Prove the address of an account',
  description:
    'With the token of a verification mail. With `SIGN_UP_MODE=verified`, the database is created now.',
  permission: 'public',
  audit: null,
  body: z.strictObject({ token }).meta({ id: 'Link', examples: [{ token: EXAMPLE_TOKEN }] }),
  responses: noContent('The address is proved.'),
  errors: ['link.invalid'],
});

export const requestPasswordReset = endpoint({
  operationId: 'requestPasswordReset',
  method: 'POST',
  path: '/api/v1/auth/request-password-reset',
  tag,
  summary: 'Send a mail that lets the owner of the address set a new password',
  description: SAME_RESPONSE,
  permission: 'public',
  audit: null,
  body: addressSchema,
  responses: requested,
});

export const resetPassword = endpoint({
  operationId: 'resetPassword',
  method: 'POST',
  path: '/api/v1/auth/reset-password',
  tag,
  summary: 'Set a new password',
  description:
    'With the token of a mail. Proves the address, and ends all sessions and API keys of the account.',
  permission: 'public',
  audit: null,
  body: passwordLinkSchema,
  responses: noContent('The password is changed.'),
  errors: ['link.invalid'],
});

export const confirmEmailChange = endpoint({
  operationId: 'confirmEmailChange',
  method: 'POST',
  path: '/api/v1/auth/change-email',
  tag,
  summary: 'Confirm a new e-mail address',
  description:
    'With the token of a mail to the new address, and the password of the account. Ends all its sessions.',
  permission: 'public',
  audit: null,
  body: passwordLinkSchema,
  responses: noContent('The address is changed.'),
  errors: ['link.invalid'],
});

export const sendTestMail = endpoint({
  operationId: 'sendTestMail',
  method: 'POST',
  path: '/api/v1/mails/test',
  tag,
  summary: 'Send a test mail',
  description: 'Over the mail server that sends the mails of accounts. Reports errors of the mail server.',
  permission: 'users.write',
  audit: 'mail.test',
  body: z
    .strictObject({ to: z.email().max(254).meta({ description: 'Who gets the mail.' }) })
    .meta({ id: 'TestMail', examples: [{ to: 'admin@example.com' }] }),
  responses: noContent('The mail server has taken the mail.'),
  errors: ['mail.failed'],
  timeoutMs: OPERATION_TIMEOUT_MS,
});

/** Methods of `client.mails`. */
export const mails = {
  requestVerification,
  verify: verifyAddress,
  requestPasswordReset,
  resetPassword,
  changeEmail: confirmEmailChange,
  test: sendTestMail,
};
