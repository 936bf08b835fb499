import { z } from 'zod';
import type { ApiDeps } from '../deps.ts';
import type { Api } from '../server.ts';

const count = z.int();
const rotationSchema = z.object({ rotated: count, current: count, failed: count });
const statusSchema = z.object({
  current_key: z.string(),
  rotating: z.boolean(),
  secrets: z.array(z.object({ collection: z.string(), key_id: z.string(), count, opens: z.boolean() })),
});

/** The master key and what it seals. */
export function secretRoutes(app: Api, { secretRotation }: ApiDeps): void {
  app.get(
    '/api/v1/secrets',
    { config: { permission: 'secrets.read' }, schema: { response: { 200: statusSchema } } },
    () => secretRotation.status(),
  );

  app.post(
    '/api/v1/secrets/rotate',
    {
      config: { permission: 'secrets.rotate', audit: 'secrets.rotate' },
      schema: { response: { 200: rotationSchema } },
    },
    () => secretRotation.rotate(),
  );
}
