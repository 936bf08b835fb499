import { endSession, endSessions, listSessions } from '../../../shared/api/accounts/sessions.ts';
import { FathomError } from '../../../shared/errors.ts';
import type { OwnerSync } from '../../databases/owner/owner-sync.ts';
import { requireCaller, requireOwnerOrAll, requireUserId, seesAll } from '../../http/caller.ts';
import { type Api, serve } from '../../http/serve.ts';
import { isOwner, requireScope } from '../permissions.ts';
import type { Identities } from './identities.ts';
import type { SessionRepository } from './session-repository.ts';

export interface SessionRoutesDeps {
  sessionRepository: SessionRepository;
  identities: Identities;
  ownerSync: OwnerSync;
}

/** Registers the routes that list and end sessions. */
export function sessionRoutes(
  app: Api,
  { sessionRepository, identities, ownerSync }: SessionRoutesDeps,
): void {
  serve(app, listSessions, async (request) => {
    const { user_id } = request.query;
    const caller = requireCaller(request);
    const all = request.query.all === 'true';
    if (user_id !== undefined || all) requireOwnerOrAll(request, user_id ?? null);
    // The caller's own sessions by default.
    const user = user_id ?? (all || caller.kind === 'local' ? null : caller.userId);
    const sessions = await sessionRepository.list(user, request.query);
    const currentId = caller.kind === 'session' ? caller.id : null;
    return {
      ...sessions,
      items: sessions.items.map((session) => ({ ...session, current: session.id === currentId })),
    };
  });

  serve(app, endSessions, async (request) => {
    const user = request.query.user_id ?? requireUserId(request);
    requireOwnerOrAll(request, user);
    const keys = request.query.keys === 'true';
    if (keys) requireScope(requireCaller(request), 'api-keys.write', user);
    await sessionRepository.endAll(user, { keys });
    identities.invalidate(user);
    if (await ownerSync.syncNow(user)) return;
    throw new FathomError(
      'conflict',
      'the sessions have ended, but the tokens of the own database have not: its files cannot be written now. Repeat this to check',
    );
  });

  serve(app, endSession, async (request) => {
    const session = await sessionRepository.find(request.params.id);
    const caller = requireCaller(request);
    const isVisible = session && (seesAll(caller, 'sessions.end') || isOwner(caller, session.user_id));
    if (!isVisible) throw new FathomError('not_found', `there is no session '${request.params.id}'`);
    await sessionRepository.delete(session.id);
    identities.invalidate(session.user_id);
  });
}
