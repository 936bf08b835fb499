import { z } from 'zod';
import { endpoint, noContent, OPERATION_TIMEOUT_MS } from '../contract/endpoint.ts';
import { EXAMPLE_ID, EXAMPLE_TIME, idParams } from '../contract/fields.ts';
import { pageOf, pageQuerySchema } from '../contract/page.ts';
import { planName } from './plans.ts';

const tag = { name: 'Invitations', description: 'Invitations to sign up.' };

export const INVITATION_STATES = ['open', 'used', 'expired'] as const;

const EXAMPLE_INVITATION = {
  id: EXAMPLE_ID,
  email: 'johndoe@example.com',
  plan: null,
  state: 'open' as const,
  uses: 0,
  max_uses: 1,
  mailed: true,
  expires_at: EXAMPLE_TIME,
  created_by: EXAMPLE_ID,
  created: EXAMPLE_TIME,
};

const invitationSchema = z
  .object({
    id: z.string(),
    email: z
      .string()
      .nullable()
      .meta({ description: 'The only address that can use it; null for every address.' }),
    plan: z.string().nullable().meta({ description: 'Plan of the new account; null for the default one.' }),
    state: z.enum(INVITATION_STATES),
    uses: z.int().meta({ description: 'Number of accounts that were created with it.' }),
    max_uses: z.int(),
    mailed: z.boolean().meta({
      description:
        'The token was sent to the address and shown to no one else, so its use proves the address.',
    }),
    expires_at: z.string(),
    created_by: z
      .string()
      .nullable()
      .meta({ description: 'Id of the administrator; null for the local socket.' }),
    created: z.string(),
  })
  .meta({ id: 'Invitation', examples: [EXAMPLE_INVITATION] });

export type Invitation = z.infer<typeof invitationSchema>;

const newInvitationSchema = z
  .strictObject({
    email: z.string().min(1).max(254).optional().meta({ description: 'The only address that can use it.' }),
    plan: planName.optional(),
    expires_days: z
      .int()
      .min(1)
      .max(365)
      .optional()
      .meta({ description: 'Days until it expires; 7 if left out.' }),
    uses: z.int().min(1).max(10_000).optional().meta({ description: 'Number of accounts; 1 if left out.' }),
    mail: z
      .boolean()
      .optional()
      .meta({ description: 'Send it to `email`, if a mail server is configured; true if left out.' }),
  })
  .meta({ id: 'NewInvitation', examples: [{ email: 'johndoe@example.com', plan: 'free' }] });

export type NewInvitation = z.infer<typeof newInvitationSchema>;

const createdInvitationSchema = invitationSchema
  .extend({
    token: z.string().nullable().meta({ description: 'Shown only here; null if a mail has it.' }),
    link: z
      .string()
      .nullable()
      .meta({ description: 'The page to sign up; null if a mail has it, or without PUBLIC_URL.' }),
    mail_problem: z.string().nullable().meta({ description: 'Why no mail was sent to `email`.' }),
  })
  .meta({
    id: 'CreatedInvitation',
    examples: [{ ...EXAMPLE_INVITATION, token: null, link: null, mail_problem: null }],
  });

export type CreatedInvitation = z.infer<typeof createdInvitationSchema>;

export const listInvitations = endpoint({
  operationId: 'listInvitations',
  method: 'GET',
  path: '/api/v1/invitations',
  tag,
  summary: 'List invitations',
  description: 'The newest first. They are removed 30 days after they expired.',
  permission: 'invitations.read',
  command: 'invitations list',
  query: pageQuerySchema.omit({ sort: true }),
  responses: { 200: { description: 'One page of invitations.', schema: pageOf(invitationSchema) } },
});

export const createInvitation = endpoint({
  operationId: 'createInvitation',
  method: 'POST',
  path: '/api/v1/invitations',
  tag,
  summary: 'Create an invitation',
  description:
    'With an address and a mail server, the invitation is sent by mail. Otherwise the response has the token and the link.',
  permission: 'invitations.write',
  audit: 'invitation.create',
  body: newInvitationSchema,
  responses: { 201: { description: 'The invitation.', schema: createdInvitationSchema } },
  errors: ['conflict'],
  timeoutMs: OPERATION_TIMEOUT_MS,
});

export const deleteInvitation = endpoint({
  operationId: 'deleteInvitation',
  method: 'DELETE',
  path: '/api/v1/invitations/{id}',
  tag,
  summary: 'Revoke an invitation',
  description: 'It cannot be used any more. Accounts that were created with it stay.',
  permission: 'invitations.write',
  audit: 'invitation.revoke',
  command: 'invitations revoke',
  params: idParams('an invitation'),
  responses: noContent('The invitation is revoked.'),
  errors: ['not_found'],
});

/** Methods of `client.invitations`. */
export const invitations = {
  list: listInvitations,
  create: createInvitation,
  revoke: deleteInvitation,
};
