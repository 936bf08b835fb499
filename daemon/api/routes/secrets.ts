import { z } from 'zod';
import type { ApiDeps } from '../deps.ts';
import type { Api } from '../server.ts';

const count = z.int();

export function secretRoutes(app: Api, { rotateSecrets }: ApiDeps): void {
  app.post(
    '/api/v1/secrets/rotate',
    {
      config: { permission: 'secrets.rotate' },
      schema: { response: { 200: z.object({ rotated: count, current: count, failed: count }) } },
    },
    () => rotateSecrets(),
  );
}
