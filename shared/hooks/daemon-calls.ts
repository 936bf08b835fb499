import { z } from 'zod';
import type { DatabaseAccess } from '../api/accounts/auth.ts';

/** The peer that connected to the global PocketBase, and its X-Forwarded-For. */
const originShape = { peer: z.string(), forwarded: z.string() };
const changed = z.object({ user_id: z.string() });
const user = z.object({ user_id: z.string(), email: z.string() });
const signInBegun = z.object({ collection: z.string(), identity: z.string(), ...originShape });

/** Bodies of the requests that hooks of the global PocketBase send to the daemon, by path. */
export const daemonCallBodies = {
  '/internal/users/created': user,
  /** `expires_at_s`: the end of the token, in seconds since 1970; null when the token can be refreshed. */
  '/internal/users/signed-in': user.extend({ expires_at_s: z.number().nullable() }),
  '/internal/users/changed': changed,
  /** A session or an API key of the user changed. */
  '/internal/identities/changed': changed,
  '/internal/sign-ins/begun': signInBegun,
  /** `attempt`: from the response to `begun`; empty for sign-ins that the daemon does not limit. */
  '/internal/sign-ins/ended': signInBegun.extend({
    ok: z.boolean(),
    attempt: z.string(),
    user_id: z.string(),
  }),
  /** `refused`: PocketBase refused a sign-up that the daemon accepted before. */
  '/internal/sign-ups': z.object({ ...originShape, refused: z.boolean() }),
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

interface Responses {
  '/internal/users/signed-in': { database: DatabaseAccess };
  '/internal/sign-ins/begun': AttemptVerdict;
  '/internal/sign-ups': AttemptVerdict;
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
