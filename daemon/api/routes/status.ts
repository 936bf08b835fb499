import type { DaemonStatus } from '../../../shared/status.ts';
import { PERMISSION_NAMES } from '../../security/permissions.ts';
import { seesAll } from '../caller.ts';
import type { ApiDeps } from '../deps.ts';
import type { Api } from '../server.ts';

export function statusRoutes(app: Api, deps: ApiDeps): void {
  app.get(
    '/api/v1/status',
    { config: { permission: 'status.read' } },
    async ({ caller }): Promise<DaemonStatus> => ({
      ...(await deps.status()),
      permissions: PERMISSION_NAMES.filter((permission) => seesAll(caller, permission)),
    }),
  );
}
