import { z } from 'zod';
import type { DatabaseAccess } from '../api/accounts/auth.ts';

/** The peer that connected to the global PocketBase, and its X-Forwarded-For. */
const originShape = { peer: z.string(), forwarded: z.string() };
const changed = z.object({ user_id: z.string() });
const user = z.object({ user_id: z.string(), email: z.string() });
const signInBegun = z.object({ collection: z.string(), identity: z.string(), ...originShape });

/** Mails that strangers can cause. Each kind has a limit of its own. */
const MAIL_KINDS = ['verification', 'password_reset', 'one_time_password', 'email_change'] as const;
export type MailKind = (typeof MAIL_KINDS)[number];

/** Bodies of the requests that hooks of the global PocketBase send to the daemon, by path. */
export const daemonCallBodies = {
  '/internal/users/created': user.extend({ verified: z.boolean() }),
  /** `expires_at_s`: the end of the token, in seconds since 1970; null when the token can be refreshed. */
  '/internal/users/signed-in': user.extend({ expires_at_s: z.number().nullable() }),
  /** `verified`: false also for a deleted account. */
  '/internal/users/changed': changed.extend({ email: z.string(), verified: z.boolean() }),
  /** A session or an API key of the user changed. */
  '/internal/identities/changed': changed,
  '/internal/sign-ins/begun': signInBegun,
  /** `attempt`: from the response to `begun`; empty for sign-ins that the daemon does not limit. */
  '/internal/sign-ins/ended': signInBegun.extend({
    /** `password-check`: a request of a signed-in user, or with a link, that needs the password. */
    action: z.enum(['sign-in', 'password-check']),
    ok: z.boolean(),
    attempt: z.string(),
    user_id: z.string(),
  }),
  /** `invited`: the request has an invitation. */
  '/internal/sign-ups/begun': z.object({ ...originShape, invited: z.boolean() }),
  /** `user_id`: empty if no account was created. */
  '/internal/sign-ups/ended': z.object({ attempt: z.string(), user_id: z.string() }),
  /** `invitation`: the id of one that created an account. */
  '/internal/invitations/used': user.extend({ invitation: z.string() }),
  '/internal/passwords/judge': z.object({ password: z.string(), email: z.string(), name: z.string() }),
  /** A stranger requests a mail to these addresses. */
  '/internal/mails/begun': z.object({
    kind: z.enum(MAIL_KINDS),
    emails: z.array(z.string()).min(1).max(2),
  }),
  /** `text`: empty if there is none. */
  '/internal/mails/send': z.object({
    to: z.array(z.string()).min(1),
    subject: z.string(),
    html: z.string(),
    text: z.string(),
  }),
  '/internal/superuser': z.object({
    action: z.string(),
    target: z.string(),
    actor: z.string(),
    ok: z.boolean(),
    ...originShape,
  }),
} as const;

type Bodies = typeof daemonCallBodies;

/** The address of a client, as hooks report it. */
export type Origin = z.infer<z.ZodObject<typeof originShape>>;

/** 0: the attempt may go on. */
export interface AttemptVerdict {
  attempt: string;
  retry_after_s: number;
}

/** `refusal`: null if the sign-up may go on. `retry_after_s`: 0 if waiting does not help. */
export interface SignUpVerdict {
  attempt: string;
  refusal: { status: number; message: string; retry_after_s: number } | null;
}

/** `problem`: what is wrong with the password and what to do; null if it is strong enough. */
export interface PasswordVerdict {
  problem: string | null;
}

export interface MailVerdict {
  allowed: boolean;
}

/** `handled`: false if the daemon has no mail server. `problem`: why the mail was not sent; null if it was. */
export interface MailDelivery {
  handled: boolean;
  problem: string | null;
}

interface Responses {
  '/internal/users/signed-in': { database: DatabaseAccess };
  '/internal/sign-ins/begun': AttemptVerdict;
  '/internal/sign-ups/begun': SignUpVerdict;
  '/internal/passwords/judge': PasswordVerdict;
  '/internal/mails/begun': MailVerdict;
  '/internal/mails/send': MailDelivery;
}

/** All requests of hooks to the daemon. */
export type DaemonCalls = {
  [Path in keyof Bodies]: {
    body: z.infer<Bodies[Path]>;
    response: Path extends keyof Responses ? Responses[Path] : unknown;
  };
} & {
  /** A task was added without the daemon. */
  '/internal/queue/wake': { body: Record<string, never>; response: unknown };
};
