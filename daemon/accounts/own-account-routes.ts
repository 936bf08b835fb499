import type { FastifyRequest } from 'fastify';
import {
  changeOwnAddress,
  changeOwnPassword,
  deleteOwnAccount,
  undeleteOwnAccount,
} from '../../shared/api/accounts/own-account.ts';
import { isDeletedByOwner } from '../../shared/deletion.ts';
import { foldAddress } from '../../shared/email-address.ts';
import { FathomError } from '../../shared/errors.ts';
import { type ControlPlaneClient, fieldsOf, isStatus } from '../control-plane/client.ts';
import { requireSession } from '../http/caller.ts';
import { originOf } from '../http/client-address.ts';
import { type Api, serve } from '../http/serve.ts';
import type { AccountMails } from './mail/account-mails.ts';
import type { SignInBudget } from './sign-in/sign-in-budget.ts';
import { RateLimitedError, type SignInLimits } from './sign-in/sign-in-limits.ts';
import type { SignedInUser, UserRepository } from './user-repository.ts';

/** The global PocketBase tells the exact time in a header, which the client of its SDK does not return. */
const RETRY_MS = 60_000;

export interface OwnAccountRoutesDeps {
  users: UserRepository;
  controlPlane: ControlPlaneClient;
  accountMails: AccountMails;
  signInLimits: SignInLimits;
  signInBudget: SignInBudget;
  trustedProxies: readonly string[];
}

/** Of accounts with their databases. */
interface AccountDeletion {
  deleteAccount: (id: string) => Promise<void>;
  /** @throws FathomError `conflict` when no account with this address was deleted by its owner */
  undeleteAccount: (email: string) => Promise<void>;
}

/**
 * Registers the routes with which users change and delete their own account. Each asks for the password: a stolen token is not
 * enough.
 */
export function ownAccountRoutes(
  app: Api,
  deps: OwnAccountRoutesDeps,
  { deleteAccount, undeleteAccount }: AccountDeletion,
): void {
  /** @throws FathomError `conflict` without a session, `request.invalid` for a wrong password */
  const provePassword = async (request: FastifyRequest, password: string): Promise<SignedInUser> => {
    const caller = requireSession(request);
    const { email } = await deps.users.get(caller.userId);
    const attempt = deps.signInLimits.beginSignIn(email, originOf(request, deps.trustedProxies).address);
    const signedIn = await deps.signInBudget
      .run(() => deps.users.signIn(email, password))
      .catch((error: unknown) => {
        attempt.dropped();
        throw error;
      });
    if (signedIn?.user.id !== caller.userId) {
      attempt.failed();
      throw invalid('current_password', 'is wrong');
    }
    attempt.succeeded();
    return signedIn;
  };

  /** Sends a change as the user, so that all rules of the global PocketBase apply. @param names of fields there and here */
  const sendAsOwner = async (
    request: FastifyRequest,
    { user, token }: SignedInUser,
    change: {
      method: 'POST' | 'PATCH';
      path: string;
      body: object;
      names: Readonly<Record<string, string>>;
      sendsMail?: boolean;
    },
  ): Promise<void> => {
    const { address } = originOf(request, deps.trustedProxies);
    const path = `/api/collections/users/${change.path.replace('{id}', user.id)}`;
    try {
      await deps.signInBudget.run(() =>
        deps.controlPlane.sendAsUser(change.method, path, change.body, { token, address }),
      );
    } catch (error) {
      if (isStatus(error, 429)) throw new RateLimitedError('too many requests', RETRY_MS);
      if (!isStatus(error, 400)) throw error;
      const [field] = fieldsOf(error.response['data']);
      const name = field && change.names[field.path];
      if (name !== undefined) throw invalid(name, field?.message ?? 'is refused', error);
      if (change.sendsMail !== true) throw error;
      throw new FathomError('mail.failed', 'the mail server did not take the mail; try again later', {
        cause: error,
      });
    }
  };

  serve(app, changeOwnPassword, async (request) => {
    const { current_password: oldPassword, password } = request.body;
    const owner = await provePassword(request, oldPassword);
    await sendAsOwner(request, owner, {
      method: 'PATCH',
      path: 'records/{id}',
      body: { oldPassword, password, passwordConfirm: password },
      names: { password: 'password', passwordConfirm: 'password', oldPassword: 'current_password' },
    });
  });

  serve(app, changeOwnAddress, async (request) => {
    const { current_password: password, new_email: newEmail } = request.body;
    const owner = await provePassword(request, password);
    await deps.accountMails.requireServer('ask an administrator to set one, or to change the address');
    await sendAsOwner(request, owner, {
      method: 'POST',
      path: 'request-email-change',
      body: { newEmail },
      names: { newEmail: 'new_email' },
      sendsMail: true,
    });
  });

  serve(app, deleteOwnAccount, async (request) => {
    const { current_password: password, email } = request.body;
    const { user } = await provePassword(request, password);
    if (foldAddress(email) !== foldAddress(user.email)) {
      throw invalid('email', 'is not the address of this account');
    }
    if (user.role !== 'user') {
      throw new FathomError('conflict', 'an account with this role is deleted by another administrator');
    }
    await deleteAccount(user.id);
  });

  serve(app, undeleteOwnAccount, async (request) => {
    const { email, password } = request.body;
    const attempt = deps.signInLimits.beginSignIn(email, originOf(request, deps.trustedProxies).address);
    // The global PocketBase checks the password before it refuses a deleted account.
    const refusal: unknown = await deps.signInBudget
      .run(() => deps.users.authenticate(email, password))
      .then(
        (user) =>
          user
            ? new FathomError('conflict', 'this account is not deleted; sign in')
            : new FathomError('auth.failed', 'e-mail or password is wrong, or the account is not active'),
        (error: unknown) => error,
      );
    if (!isDeletedByOwner(refusal)) {
      if (refusal instanceof FathomError && refusal.code === 'auth.failed') attempt.failed();
      else attempt.dropped();
      throw refusal;
    }
    attempt.succeeded();
    await undeleteAccount(email);
  });
}

function invalid(path: string, message: string, cause?: unknown): FathomError {
  return new FathomError('request.invalid', `${path}: ${message}`, { cause, fields: [{ path, message }] });
}
