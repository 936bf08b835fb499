import { getStatus } from '../../shared/api/daemon.ts';
import type { DaemonStatus } from '../../shared/status.ts';
import { PERMISSION_NAMES } from '../accounts/permissions.ts';
import { seesAll } from '../http/caller.ts';
import { type Api, serve } from '../http/serve.ts';

export interface StatusRoutesDeps {
  status: () => Promise<Omit<DaemonStatus, 'permissions'>>;
}

export function statusRoutes(app: Api, deps: StatusRoutesDeps): void {
  serve(app, getStatus, async ({ caller }) => ({
    ...(await deps.status()),
    permissions: PERMISSION_NAMES.filter((permission) => seesAll(caller, permission)),
  }));
}
