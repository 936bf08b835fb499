import { getStatus } from '../../../shared/api/daemon.ts';
import { PERMISSION_NAMES } from '../../security/permissions.ts';
import { seesAll } from '../caller.ts';
import type { ApiDeps } from '../deps.ts';
import { serve } from '../serve.ts';
import type { Api } from '../server.ts';

export function statusRoutes(app: Api, deps: ApiDeps): void {
  serve(app, getStatus, async ({ caller }) => ({
    ...(await deps.status()),
    permissions: PERMISSION_NAMES.filter((permission) => seesAll(caller, permission)),
  }));
}
