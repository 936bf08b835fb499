import { z } from 'zod';
import { endpoint } from './endpoint.ts';

const tag = 'Secrets';
const count = z.int();

export const getSecrets = endpoint({
  operationId: 'getSecrets',
  method: 'GET',
  path: '/api/v1/secrets',
  tag,
  summary: 'Show which master keys stored secrets need',
  description: 'Names the keys. Shows no secret.',
  permission: 'secrets.read',
  responses: {
    200: {
      description: 'Number of secrets by key.',
      schema: z
        .object({
          current_key: z.string(),
          rotating: z.boolean(),
          secrets: z.array(
            z.object({ collection: z.string(), key_id: z.string(), count, opens: z.boolean() }),
          ),
        })
        .meta({
          id: 'SecretsStatus',
          examples: [
            {
              current_key: '9f86d081',
              rotating: false,
              secrets: [{ collection: 'user_databases', key_id: '9f86d081', count: 3, opens: true }],
            },
          ],
        }),
    },
  },
});

export const rotateSecrets = endpoint({
  operationId: 'rotateSecrets',
  method: 'POST',
  path: '/api/v1/secrets/rotate',
  tag,
  summary: 'Wrap all secrets with the current master key',
  description: 'Set `AES_MASTER_KEY` to the new key and keep the old one before; see docs/secrets.md.',
  permission: 'secrets.rotate',
  audit: 'secrets.rotate',
  responses: {
    200: {
      description: 'Number of secrets that were wrapped, that had been before, and that no key opens.',
      schema: z
        .object({ rotated: count, current: count, failed: count })
        .meta({ id: 'RotationResult', examples: [{ rotated: 3, current: 0, failed: 0 }] }),
    },
  },
  errors: ['conflict', 'secret.undecryptable'],
  timeoutMs: 600_000,
});

/** Methods of `client.secrets`. */
export const secrets = {
  status: getSecrets,
  rotate: rotateSecrets,
};
