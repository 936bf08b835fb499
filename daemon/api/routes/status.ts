import type { ApiDeps } from '../deps.ts';
import type { Api } from '../server.ts';

export function statusRoutes(app: Api, deps: ApiDeps): void {
  app.get('/api/v1/status', { config: { permission: 'status.read' } }, () => deps.status());
}
