import { type InvitationRoutesDeps, invitationRoutes } from '../accounts/invitations/invitation-routes.ts';
import { type AccountMailRoutesDeps, accountMailRoutes } from '../accounts/mail/account-mail-routes.ts';
import { type MailHookDeps, mailHookRoutes } from '../accounts/mail/mail-hook-routes.ts';
import { type AccountPageRoutesDeps, accountPageRoutes } from '../accounts/pages/account-page-routes.ts';
import { type PlanRoutesDeps, planRoutes } from '../accounts/plans/plan-routes.ts';
import { type ApiKeyRoutesDeps, apiKeyRoutes } from '../accounts/sessions/api-key-routes.ts';
import { type SessionRoutesDeps, sessionRoutes } from '../accounts/sessions/session-routes.ts';
import { type AuthRoutesDeps, authRoutes } from '../accounts/sign-in/auth-routes.ts';
import { providerRoutes } from '../accounts/sign-in/provider-routes.ts';
import { type SignInHookDeps, signInHookRoutes } from '../accounts/sign-in/sign-in-hook-routes.ts';
import { type UserHookDeps, userHookRoutes } from '../accounts/sign-in/user-hook-routes.ts';
import { type SignUpHookDeps, signUpHookRoutes } from '../accounts/sign-up/sign-up-hook-routes.ts';
import { type UserRoutesDeps, userRoutes } from '../accounts/user-routes.ts';
import { type AlertRoutesDeps, alertRoutes } from '../alerts/alert-routes.ts';
import { type AuditRequestsDeps, auditRequests } from '../audit/audit-requests.ts';
import { type AuditRoutesDeps, auditRoutes } from '../audit/audit-routes.ts';
import { type ArchiveRoutesDeps, archiveRoutes } from '../backups/archived/archive-routes.ts';
import { type BackupRoutesDeps, backupRoutes } from '../backups/backup-routes.ts';
import { type DrillRoutesDeps, drillRoutes } from '../backups/drills/drill-routes.ts';
import { type ExportRoutesDeps, exportRoutes } from '../backups/export/export-routes.ts';
import { type RestoreRoutesDeps, restoreRoutes } from '../backups/restore/restore-routes.ts';
import { type ApplicationRoutesDeps, applicationRoutes } from '../databases/routes/application-routes.ts';
import { type BrowseRoutesDeps, browseRoutes } from '../databases/routes/browse-routes.ts';
import { type DatabaseRoutesDeps, databaseRoutes } from '../databases/routes/database-routes.ts';
import { type EdgeRoutesDeps, edgeRoutes } from '../databases/routes/edge-routes.ts';
import { type LifecycleRoutesDeps, lifecycleRoutes } from '../databases/routes/lifecycle-routes.ts';
import { type MigrationRoutesDeps, migrationRoutes } from '../databases/routes/migration-routes.ts';
import { type TrashRoutesDeps, trashRoutes } from '../databases/trash/trash-routes.ts';
import { type EventRoutesDeps, eventRoutes } from '../events/event-routes.ts';
import { type HostRoutesDeps, hostRoutes } from '../host/host-routes.ts';
import { type NodeRoutesDeps, nodeRoutes } from '../host/node-routes.ts';
import type { Transport } from '../http/caller.ts';
import { type DocumentRoutesDeps, documentRoutes } from '../http/document/document-routes.ts';
import type { Served } from '../http/listen/listen.ts';
import type { Api } from '../http/serve.ts';
import { createApi, type ServerDeps } from '../http/server.ts';
import { type WebPageRoutesDeps, webPageRoutes } from '../http/web-page-routes.ts';
import { type QueueRoutesDeps, queueRoutes } from '../queue/queue-routes.ts';
import { type ScheduleRoutesDeps, scheduleRoutes } from '../queue/schedule-routes.ts';
import { type RolloutRoutesDeps, rolloutRoutes } from '../rollouts/rollout-routes.ts';
import { type SecretRoutesDeps, secretRoutes } from '../secrets/secret-routes.ts';
import { type StatusRoutesDeps, statusRoutes } from '../status/status-routes.ts';
import { attachStream, type StreamDeps } from '../stream/stream-server.ts';
import { type UsageRoutesDeps, usageRoutes } from '../usage/usage-routes.ts';
import type { WorkFeeds } from '../work/feed/work-feeds.ts';
import { type WorkRoutesDeps, workRoutes } from '../work/work-routes.ts';

/** The services that routes use. Each file of routes declares its own part. */
export interface Services
  extends ServerDeps,
    Omit<StreamDeps, 'workFeeds'>,
    AccountMailRoutesDeps,
    AccountPageRoutesDeps,
    AlertRoutesDeps,
    ArchiveRoutesDeps,
    AuditRequestsDeps,
    ApiKeyRoutesDeps,
    AuditRoutesDeps,
    AuthRoutesDeps,
    BackupRoutesDeps,
    BrowseRoutesDeps,
    DatabaseRoutesDeps,
    DocumentRoutesDeps,
    DrillRoutesDeps,
    EdgeRoutesDeps,
    EventRoutesDeps,
    ExportRoutesDeps,
    HostRoutesDeps,
    InvitationRoutesDeps,
    LifecycleRoutesDeps,
    MailHookDeps,
    MigrationRoutesDeps,
    NodeRoutesDeps,
    ApplicationRoutesDeps,
    PlanRoutesDeps,
    QueueRoutesDeps,
    RestoreRoutesDeps,
    RolloutRoutesDeps,
    ScheduleRoutesDeps,
    SecretRoutesDeps,
    SessionRoutesDeps,
    SignInHookDeps,
    SignUpHookDeps,
    StatusRoutesDeps,
    TrashRoutesDeps,
    UsageRoutesDeps,
    UserHookDeps,
    UserRoutesDeps,
    WebPageRoutesDeps,
    WorkRoutesDeps {}

/** Creates the API of one transport, with its stream. */
export async function createApiWithStream(
  services: Services,
  workFeeds: WorkFeeds,
  transport: Transport,
): Promise<Served> {
  const api = await createApi(services, transport, (app) => registerRoutes(app, services));
  const closeStreams = attachStream(api, { ...services, workFeeds }, transport);
  return {
    api,
    close: async () => {
      closeStreams();
      // On a server that Fastify did not open itself, it would wait for the last client.
      api.server.closeAllConnections();
      await api.close();
    },
  };
}

export function registerRoutes(app: Api, services: Services): void {
  auditRequests(app, services);
  statusRoutes(app, services);
  documentRoutes(app, services);
  hostRoutes(app, services);
  nodeRoutes(app, services);
  alertRoutes(app, services);

  authRoutes(app, services);
  providerRoutes(app, services);
  accountMailRoutes(app, services);
  accountPageRoutes(app, services);
  webPageRoutes(app, services);
  userRoutes(app, services);
  invitationRoutes(app, services);
  planRoutes(app, services);
  sessionRoutes(app, services);
  apiKeyRoutes(app, services);
  auditRoutes(app, services);
  secretRoutes(app, services);

  databaseRoutes(app, services);
  trashRoutes(app, services);
  archiveRoutes(app, services);
  browseRoutes(app, services);
  usageRoutes(app, services);
  backupRoutes(app, services);
  exportRoutes(app, services);
  drillRoutes(app, services);
  lifecycleRoutes(app, services);
  migrationRoutes(app, services);
  applicationRoutes(app, services);
  workRoutes(app, services);
  rolloutRoutes(app, services);
  restoreRoutes(app, services);
  edgeRoutes(app, services);
  eventRoutes(app, services);
  queueRoutes(app, services);
  scheduleRoutes(app, services);

  userHookRoutes(app, services);
  signInHookRoutes(app, services);
  signUpHookRoutes(app, services);
  mailHookRoutes(app, services);
}
