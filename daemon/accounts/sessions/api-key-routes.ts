import { createApiKey, deleteApiKey, listApiKeys } from '../../../shared/api/accounts/api-keys.ts';
import { FathomError } from '../../../shared/errors.ts';
import type { Clock } from '../../base/time/clock.ts';
import { requireCaller, requireOwnerOrAll, requireUserId, seesAll } from '../../http/caller.ts';
import { type Api, serve } from '../../http/serve.ts';
import {
  type Caller,
  isOwner,
  limitingRoles,
  PERMISSION_NAMES,
  PERMISSIONS,
  type Permission,
  scopeOf,
  withoutWiderRoles,
} from '../permissions.ts';
import type { UserLimits } from '../plans/user-limits.ts';
import type { UserRepository } from '../user-repository.ts';
import type { ApiKeyRepository } from './api-key-repository.ts';
import { newApiKey } from './api-keys.ts';
import type { Identities } from './identities.ts';

export interface ApiKeyRoutesDeps {
  apiKeyRepository: ApiKeyRepository;
  identities: Identities;
  users: UserRepository;
  userLimits: UserLimits;
  clock: Clock;
}

/** Registers the routes of API keys. */
export function apiKeyRoutes(
  app: Api,
  { apiKeyRepository, identities, users, userLimits, clock }: ApiKeyRoutesDeps,
): void {
  serve(app, listApiKeys, async (request) => {
    const { user_id } = request.query;
    const caller = requireCaller(request);
    if (user_id !== undefined) requireOwnerOrAll(request, user_id);
    const own = caller.kind === 'local' ? null : caller.userId;
    const user = user_id ?? (seesAll(caller, 'api-keys.read') ? null : own);
    return apiKeyRepository.list(user, request.query);
  });

  serve(app, createApiKey, async (request) => {
    const caller = requireCaller(request);
    const { name, permissions, expires_at, user_id } = request.body;
    const owner = user_id ?? requireUserId(request);
    requireOwnerOrAll(request, owner);
    const user = await users.get(owner);
    const ofRole = PERMISSION_NAMES.filter((permission) => PERMISSIONS[permission][user.role] !== null);
    const granted = permissions ?? ofRole.filter((permission) => scopeOf(caller, permission) !== null);
    requireGrantable(caller, granted, ofRole);
    if (expires_at !== undefined && Date.parse(expires_at) <= clock.now().getTime()) {
      throw new FathomError('request.invalid', 'expires_at is in the past');
    }
    const parent = caller.kind === 'key' ? caller : null;
    if (parent) requireShortChain(parent);
    const { key, prefix, hash } = newApiKey();
    const create = () =>
      apiKeyRepository.create({
        user_id: owner,
        name,
        prefix,
        hash,
        permissions: [...new Set(granted)],
        roles: withoutWiderRoles([user.role, ...limitingRoles(caller)]),
        parent_id: parent?.id ?? null,
        expires_at: endOf(expires_at, parent),
      });
    const stored = await userLimits.add('api_keys', owner, {
      // Keys that have expired count as well.
      count: async () => (await apiKeyRepository.list(owner, { page: 1, per_page: 1 })).total,
      remedy: "revoke those that are not used: 'fathomd keys list', 'fathomd keys revoke ID'",
      add: create,
    });
    return { ...stored, key };
  });

  serve(app, deleteApiKey, async (request) => {
    const apiKey = await apiKeyRepository.find(request.params.id);
    const caller = requireCaller(request);
    const isVisible = apiKey && (seesAll(caller, 'api-keys.write') || isOwner(caller, apiKey.user_id));
    if (!isVisible) throw new FathomError('not_found', `there is no API key '${request.params.id}'`);
    await apiKeyRepository.delete(apiKey.id);
    identities.invalidate(apiKey.user_id);
  });
}

/** Each request with a key reads all keys of its chain. */
const MAX_CHAIN = 5;

type KeyCaller = Extract<Caller, { kind: 'session' | 'key' }>;

/** @throws FathomError `conflict` */
function requireShortChain({ key }: KeyCaller): void {
  if ((key?.owners.length ?? 0) < MAX_CHAIN) return;
  throw new FathomError(
    'conflict',
    `keys can make keys only ${MAX_CHAIN - 1} times in a row; create this key with a session or an earlier key`,
  );
}

/**
 * Returns when a new key expires: not after the key that makes it.
 *
 * @throws FathomError `request.invalid`
 */
function endOf(requested: string | undefined, parent: KeyCaller | null): string | null {
  const latest = parent?.expiresAt ?? null;
  if (requested === undefined) return latest?.toISOString() ?? null;
  if (latest === null || Date.parse(requested) <= latest.getTime()) return requested;
  throw new FathomError(
    'request.invalid',
    `expires_at is after ${latest.toISOString()}, when the API key of this request expires; choose an earlier time`,
  );
}

/** A caller can grant only permissions that it has itself. @throws FathomError `auth.forbidden` */
function requireGrantable(
  caller: Caller,
  granted: readonly Permission[],
  ofRole: readonly Permission[],
): void {
  for (const permission of granted) {
    if (!ofRole.includes(permission) || scopeOf(caller, permission) === null) {
      throw new FathomError('auth.forbidden', `the permission ${permission} cannot be given to this key`);
    }
  }
}
