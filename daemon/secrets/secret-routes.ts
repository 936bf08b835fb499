import { getSecrets, rotateSecrets } from '../../shared/api/secrets.ts';
import type { ApiDeps } from '../http/deps.ts';
import { serve } from '../http/serve.ts';
import type { Api } from '../http/server.ts';

/** The master key and what it seals. */
export function secretRoutes(app: Api, { secretRotation }: ApiDeps): void {
  serve(app, getSecrets, () => secretRotation.status());

  serve(app, rotateSecrets, () => secretRotation.rotate());
}
