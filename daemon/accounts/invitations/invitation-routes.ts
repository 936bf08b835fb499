import {
  createInvitation,
  deleteInvitation,
  listInvitations,
} from '../../../shared/api/accounts/invitations.ts';
import { FathomError } from '../../../shared/errors.ts';
import { daemonCallBodies } from '../../../shared/hooks/daemon-calls.ts';
import type { AuditTrail } from '../../audit/audit-trail.ts';
import type { Clock } from '../../base/time/clock.ts';
import { requireCaller } from '../../http/caller.ts';
import { type Api, serve } from '../../http/serve.ts';
import type { InvitationRepository } from './invitation-repository.ts';
import type { Invitations } from './invitations.ts';

export interface InvitationRoutesDeps {
  invitations: Invitations;
  invitationRepository: InvitationRepository;
  audit: AuditTrail;
  clock: Clock;
}

/** Registers the routes of invitations, and the one for the hook that reports their use. */
export function invitationRoutes(app: Api, deps: InvitationRoutesDeps): void {
  const { clock, invitationRepository: repository } = deps;

  serve(app, listInvitations, ({ query }) => repository.list(query, clock.now()));

  serve(app, createInvitation, (request) => {
    const caller = requireCaller(request);
    return deps.invitations.create(request.body, caller.kind === 'local' ? '' : caller.userId);
  });

  serve(app, deleteInvitation, async ({ params: { id } }) => {
    if ((await repository.find(id, clock.now())) === null) {
      throw new FathomError('not_found', `there is no invitation '${id}'; see 'fathomd invitations list'`);
    }
    await repository.delete(id);
  });

  app.post(
    '/internal/invitations/used',
    {
      config: { permission: 'hook' },
      schema: { hide: true, body: daemonCallBodies['/internal/invitations/used'] },
    },
    async (request, reply) => {
      const { invitation, user_id, email } = request.body;
      await deps.audit.record({
        actor_kind: 'anonymous',
        actor: user_id,
        address: '',
        action: 'invitation.use',
        target: invitation,
        outcome: 'ok',
        detail: JSON.stringify({ email }),
        request_id: request.id,
      });
      return reply.code(204).send();
    },
  );
}
