import { listAudit, verifyAudit } from '../../shared/api/audit.ts';
import type { ApiDeps } from '../http/deps.ts';
import { serve } from '../http/serve.ts';
import type { Api } from '../http/server.ts';

/** Who did what. */
export function auditRoutes(app: Api, { audit, auditRepository }: ApiDeps): void {
  serve(app, listAudit, async (request) => {
    const { page, per_page, ...wanted } = request.query;
    const { items, total } = await auditRepository.list({ ...wanted, page, perPage: per_page });
    return { items, page, per_page, total };
  });

  serve(app, verifyAudit, () => audit.verify());
}
