import { z } from 'zod';
import { endpoint } from './contract/endpoint.ts';

const tag = { name: 'Secrets', description: 'The master key and the secrets that it encrypts.' };

/** Which master keys the stored secrets need. */
const statusSchema = z
  .object({
    /** An id of AES_MASTER_KEY that reveals nothing about the key. */
    current_key: z.string(),
    /** Whether a rotation is running. */
    rotating: z.boolean(),
    /** `opens`: the key is configured, as the current or the previous one. */
    secrets: z.array(
      z.object({ collection: z.string(), key_id: z.string(), count: z.int(), opens: z.boolean() }),
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
  });

export type SecretsStatus = z.infer<typeof statusSchema>;

export const getSecrets = endpoint({
  operationId: 'getSecrets',
  method: 'GET',
  path: '/api/v1/secrets',
  tag,
  summary: 'Show which master keys stored secrets need',
  description: 'Shows ids of keys, and no secret.',
  permission: 'secrets.read',
  responses: {
    200: {
      description: 'Number of secrets by key.',
      schema: statusSchema,
    },
  },
});

/** The result of a rotation of the master key: numbers of secrets. */
const rotationSchema = z
  .object({
    /** Encrypted with the current key by this rotation. */
    rotated: z.int(),
    /** Already encrypted with the current key. */
    current: z.int(),
    /** Could not be decrypted with any configured key; the daemon's log lists them. */
    failed: z.int(),
  })
  .meta({ id: 'RotationResult', examples: [{ rotated: 3, current: 0, failed: 0 }] });

export type RotationResult = z.infer<typeof rotationSchema>;

export const rotateSecrets = endpoint({
  operationId: 'rotateSecrets',
  method: 'POST',
  path: '/api/v1/secrets/rotate',
  tag,
  summary: 'Encrypt all secrets with the current master key',
  description: 'Set `AES_MASTER_KEY` to the new key and keep the old one before; see docs/secrets.md.',
  permission: 'secrets.rotate',
  audit: 'secrets.rotate',
  responses: {
    200: {
      description: 'Numbers of secrets.',
      schema: rotationSchema,
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
