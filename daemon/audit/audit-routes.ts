import { listAudit, verifyAudit } from '../../shared/api/audit.ts';
import { type Api, serve } from '../http/serve.ts';
import type { AuditRepository } from './audit-repository.ts';
import type { AuditTrail } from './audit-trail.ts';

export interface AuditRoutesDeps {
  audit: AuditTrail;
  auditRepository: AuditRepository;
}

/** Who did what. */
export function auditRoutes(app: Api, { audit, auditRepository }: AuditRoutesDeps): void {
  serve(app, listAudit, async (request) => {
    const { page, per_page, ...wanted } = request.query;
    const { items, total } = await auditRepository.list({ ...wanted, page, perPage: per_page });
    return { items, page, per_page, total };
  });

  serve(app, verifyAudit, () => audit.verify());
}
