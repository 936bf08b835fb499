import { z } from 'zod';
import { endpoint, noContent, OPERATION_TIMEOUT_MS } from '../contract/endpoint.ts';
import { credentialsSchema } from './auth.ts';
import { newPasswordSchema, passwordSchema } from './passwords.ts';

const tag = { name: 'Own account', description: 'Change or delete the own account, with its password.' };

const own = {
  method: 'POST',
  tag,
  // A key must not become something that lasts longer: it answers `conflict`.
  permission: 'account.use',
} as const;

export const changeOwnPassword = endpoint({
  ...own,
  operationId: 'changeOwnPassword',
  path: '/api/v1/me/password',
  summary: 'Change the own password',
  description:
    'Needs a session. Ends all sessions, API keys and tokens of the account. A wrong password counts as a failed sign-in.',
  audit: 'account.password',
  body: z.strictObject({ current_password: passwordSchema, password: newPasswordSchema }).meta({
    id: 'PasswordChange',
    examples: [{ current_password: 'three-lucky-otters', password: 'four-quiet-green-lamps' }],
  }),
  responses: noContent('The password is changed. Sign in again.'),
  errors: ['conflict'],
});

export const changeOwnAddress = endpoint({
  ...own,
  operationId: 'changeOwnAddress',
  path: '/api/v1/me/email',
  summary: 'Send the mail that changes the own e-mail address',
  description:
    'Needs a session. The mail goes to the new address. Its link changes the address, with the password. The response does not show whether the address is free.',
  audit: 'account.email',
  body: z.strictObject({ current_password: passwordSchema, new_email: z.string().min(1).max(254) }).meta({
    id: 'AddressChange',
    examples: [{ current_password: 'three-lucky-otters', new_email: 'john@example.com' }],
  }),
  responses: noContent('The mail is sent.'),
  errors: ['conflict', 'mail.failed'],
});

export const deleteOwnAccount = endpoint({
  ...own,
  operationId: 'deleteOwnAccount',
  path: '/api/v1/me/delete',
  summary: 'Delete the own account and its database',
  description:
    'Needs a session, and only for the role `user`. Both go to the trash for DATABASE_TRASH_DAYS, from which the owner and administrators can bring them back. With DATABASE_TRASH_DAYS=0, everything is erased at once.',
  answeredBy: 'leader',
  audit: 'account.delete',
  body: z
    .strictObject({
      current_password: passwordSchema,
      email: z
        .string()
        .min(1)
        .max(255)
        .meta({ description: 'The address of the account, as a confirmation.' }),
    })
    .meta({
      id: 'AccountDeletion',
      examples: [{ current_password: 'three-lucky-otters', email: 'johndoe@example.com' }],
    }),
  responses: noContent('The account is deleted.'),
  errors: ['conflict', 'instance.failed'],
  timeoutMs: OPERATION_TIMEOUT_MS,
});

export const undeleteOwnAccount = endpoint({
  operationId: 'undeleteOwnAccount',
  method: 'POST',
  path: '/api/v1/auth/undelete',
  tag,
  summary: 'Bring back the own account and its database',
  description:
    'For accounts that their owner deleted, while they are in the trash. Responds when a database that ran before runs. Then sign in. A wrong password counts as a failed sign-in.',
  answeredBy: 'leader',
  permission: 'public',
  audit: 'account.undelete',
  body: credentialsSchema,
  responses: noContent('The account is back.'),
  errors: ['auth.failed', 'database.deleted', 'conflict', 'instance.failed', 'ports.exhausted'],
  timeoutMs: OPERATION_TIMEOUT_MS,
});

/** Methods of `client.ownAccount`. */
export const ownAccount = {
  changePassword: changeOwnPassword,
  changeAddress: changeOwnAddress,
  delete: deleteOwnAccount,
  undelete: undeleteOwnAccount,
};
