import { listAudit, verifyAudit } from '../../shared/api/audit.ts';
import { type Api, serve } from '../http/serve.ts';
import type { AuditRepository } from './audit-repository.ts';
import type { AuditTrail } from './audit-trail.ts';

export interface AuditRoutesDeps {
  audit: AuditTrail;
  auditRepository: AuditRepository;
}

/** Registers the routes of the audit log. */
export function auditRoutes(app: Api, { audit, auditRepository }: AuditRoutesDeps): void {
  serve(app, listAudit, (request) => auditRepository.list(request.query));

  serve(app, verifyAudit, () => audit.verify());
}
