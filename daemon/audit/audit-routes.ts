import { getAuditArchive, listAudit, verifyAudit } from '../../shared/api/audit.ts';
import { type Api, serve } from '../http/serve.ts';
import type { AuditArchive } from './archive/audit-archive.ts';
import type { AuditRepository } from './audit-repository.ts';
import type { AuditTrail } from './audit-trail.ts';

export interface AuditRoutesDeps {
  audit: AuditTrail;
  auditArchive: AuditArchive;
  auditRepository: AuditRepository;
}

/** Registers the routes of the audit log. */
export function auditRoutes(app: Api, { audit, auditArchive, auditRepository }: AuditRoutesDeps): void {
  serve(app, listAudit, (request) => auditRepository.list(request.query));

  serve(app, verifyAudit, () => audit.verify());

  serve(app, getAuditArchive, () => auditArchive.state());
}
