import { endSession, endSessions, listSessions } from '../../../shared/api/sessions.ts';
import { FathomError } from '../../../shared/errors.ts';
import type { OwnerSync } from '../../databases/owner/owner-sync.ts';
import { requireCaller, requireOwnerOrAll, requireUserId, seesAll } from '../../http/caller.ts';
import { type Api, serve } from '../../http/serve.ts';
import { requireScope } from '../permissions.ts';
import type { Identities } from './identities.ts';
import type { SessionRepository } from './session-repository.ts';

export interface SessionRoutesDeps {
  sessionRepository: SessionRepository;
  identities: Identities;
  ownerSync: OwnerSync;
}

/** Where one is signed in, and signing out there. */
export function sessionRoutes(
  app: Api,
  { sessionRepository, identities, ownerSync }: SessionRoutesDeps,
): void {
  serve(app, listSessions, async (request) => {
    const { page, per_page, user_id } = request.query;
    const caller = requireCaller(request);
    const all = request.query.all === 'true';
    if (user_id !== undefined || all) requireOwnerOrAll(request, user_id ?? null);
    // One's own, unless others are asked for.
    const user = user_id ?? (all || caller.kind === 'local' ? null : caller.userId);
    const { items, total } = await sessionRepository.list({ user, page, perPage: per_page });
    const current = caller.kind === 'session' ? caller.id : null;
    return {
      items: items.map(({ user: owner, ...row }) => ({
        ...row,
        user_id: owner,
        current: row.id === current,
      })),
      page,
      per_page,
      total,
    };
  });

  serve(app, endSessions, async (request) => {
    const user = request.query.user_id ?? requireUserId(request);
    requireOwnerOrAll(request, user);
    const keys = request.query.keys === 'true';
    if (keys) requireScope(requireCaller(request), 'api-keys.write', user);
    await sessionRepository.endAll(user, { keys });
    identities.changed(user);
    if (await ownerSync.carryOver(user)) return;
    throw new FathomError(
      'conflict',
      'the sessions have ended, but the own database cannot be written now: its tokens end as soon as it can; repeat this to see that they have',
    );
  });

  serve(app, endSession, async (request) => {
    const row = await sessionRepository.find(request.params.id);
    const caller = requireCaller(request);
    const visible = row && (seesAll(caller, 'sessions.end') || isOwn(caller, row.user));
    if (!visible) throw new FathomError('not_found', `there is no session '${request.params.id}'`);
    await sessionRepository.delete('sessions', row.id);
    identities.changed(row.user);
  });
}

/** Whether something belongs to the caller. */
export function isOwn(caller: ReturnType<typeof requireCaller>, owner: string): boolean {
  return caller.kind !== 'local' && caller.userId === owner;
}
