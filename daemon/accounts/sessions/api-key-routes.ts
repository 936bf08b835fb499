import { createApiKey, deleteApiKey, listApiKeys } from '../../../shared/api/api-keys.ts';
import { FathomError } from '../../../shared/errors.ts';
import type { Clock } from '../../base/time/clock.ts';
import { requireCaller, requireOwnerOrAll, requireUserId, seesAll } from '../../http/caller.ts';
import { type Api, serve } from '../../http/serve.ts';
import { type Caller, PERMISSION_NAMES, PERMISSIONS, scopeOf } from '../permissions.ts';
import type { UserRepository } from '../user-repository.ts';
import { newApiKey } from './api-keys.ts';
import type { Identities } from './identities.ts';
import type { ApiKeyRow, SessionRepository } from './session-repository.ts';
import { isOwn } from './session-routes.ts';

export interface ApiKeyRoutesDeps {
  sessionRepository: SessionRepository;
  identities: Identities;
  users: UserRepository;
  clock: Clock;
}

/** Keys for programs. */
export function apiKeyRoutes(
  app: Api,
  { sessionRepository, identities, users, clock }: ApiKeyRoutesDeps,
): void {
  serve(app, listApiKeys, async (request) => {
    const { page, per_page, user_id } = request.query;
    const caller = requireCaller(request);
    if (user_id !== undefined) requireOwnerOrAll(request, user_id);
    const own = caller.kind === 'local' ? null : caller.userId;
    const user = user_id ?? (seesAll(caller, 'api-keys.read') ? null : own);
    const { items, total } = await sessionRepository.listKeys({ user, page, perPage: per_page });
    return { items: items.map(describe), page, per_page, total };
  });

  serve(app, createApiKey, async (request) => {
    const caller = requireCaller(request);
    const { name, permissions, expires_at, user_id } = request.body;
    const owner = user_id ?? requireUserId(request);
    requireOwnerOrAll(request, owner);
    const user = await users.find(owner);
    if (!user) throw new FathomError('not_found', `there is no user '${owner}'`);
    const possible = PERMISSION_NAMES.filter((one) => PERMISSIONS[one][user.role] !== null);
    const wanted = permissions ?? possible.filter((one) => scopeOf(caller, one) !== null);
    requireGrantable(caller, wanted, possible);
    if (expires_at !== undefined && Date.parse(expires_at) <= clock.now().getTime()) {
      throw new FathomError('request.invalid', 'expires_at has passed already');
    }
    const { key, prefix, hash } = newApiKey();
    const row = await sessionRepository.createKey({
      user: owner,
      name,
      prefix,
      hash,
      permissions: [...new Set(wanted)],
      expires_at: expires_at ?? null,
    });
    return { ...describe(row), key };
  });

  serve(app, deleteApiKey, async (request) => {
    const row = await sessionRepository.findKey(request.params.id);
    const caller = requireCaller(request);
    const visible = row && (seesAll(caller, 'api-keys.write') || isOwn(caller, row.user));
    if (!visible) throw new FathomError('not_found', `there is no API key '${request.params.id}'`);
    await sessionRepository.delete('api_keys', row.id);
    identities.changed(row.user);
  });
}

/** Nobody hands on what they do not have. @throws FathomError `auth.forbidden` */
function requireGrantable(caller: Caller, wanted: readonly string[], possible: readonly string[]): void {
  for (const permission of wanted) {
    const known = PERMISSION_NAMES.find((one) => one === permission);
    if (!known || !possible.includes(known) || scopeOf(caller, known) === null) {
      throw new FathomError('auth.forbidden', `the permission ${permission} cannot be given to this key`);
    }
  }
}

function describe({ user, ...row }: ApiKeyRow) {
  return { ...row, user_id: user };
}
