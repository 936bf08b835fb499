import { getStatus } from '../../shared/api/daemon.ts';
import { PERMISSION_NAMES } from '../accounts/permissions.ts';
import { seesAll } from '../http/caller.ts';
import type { ApiDeps } from '../http/deps.ts';
import { serve } from '../http/serve.ts';
import type { Api } from '../http/server.ts';

export function statusRoutes(app: Api, deps: ApiDeps): void {
  serve(app, getStatus, async ({ caller }) => ({
    ...(await deps.status()),
    permissions: PERMISSION_NAMES.filter((permission) => seesAll(caller, permission)),
  }));
}
