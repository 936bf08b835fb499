import { getSecrets, rotateSecrets } from '../../shared/api/secrets.ts';
import { type Api, serve } from '../http/serve.ts';
import type { SecretRotation } from './secret-rotation.ts';

export interface SecretRoutesDeps {
  secretRotation: SecretRotation;
}

/** Registers the routes about the master key and the secrets that it seals. */
export function secretRoutes(app: Api, { secretRotation }: SecretRoutesDeps): void {
  serve(app, getSecrets, () => secretRotation.status());

  serve(app, rotateSecrets, () => secretRotation.rotate());
}
