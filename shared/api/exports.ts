import { z } from 'zod';
import { backupParams } from './backups.ts';
import { endpoint } from './contract/endpoint.ts';
import { idParams } from './contract/fields.ts';

const tag = { name: 'Downloads', description: 'Download backups and everything of an account.' };

/** Until the download begins: the backup is read and tested first. */
const BEGIN_TIMEOUT_MS = 3_600_000;

const errors = ['not_found', 'conflict', 'limit.reached', 'backup.failed'] as const;

export const downloadBackup = endpoint({
  operationId: 'downloadBackup',
  method: 'GET',
  path: '/api/v1/databases/{name}/backups/{id}/download',
  tag,
  summary: 'Download a backup as a tar archive',
  description:
    'With `data.db` and the uploaded files, as PocketBase reads them. Password hashes, signing keys, superusers and settings are removed. A user has one download at a time, and `exports_per_day`. One that ends before its Content-Length has failed.',
  permission: 'backups.download',
  audit: 'backup.download',
  params: backupParams,
  responses: { 200: { description: 'The archive.', mediaType: 'application/x-tar', stream: true } },
  errors,
  timeoutMs: BEGIN_TIMEOUT_MS,
});

export const exportCollection = endpoint({
  operationId: 'exportCollection',
  method: 'GET',
  path: '/api/v1/databases/{name}/backups/{id}/collections/{collection}',
  tag,
  summary: 'Download the records of a collection in a backup, as CSV or JSON',
  description:
    'Without password hashes and token keys. In CSV, a text that a spreadsheet would run as a formula begins with an apostrophe. Limited as downloads of backups.',
  permission: 'backups.download',
  audit: 'backup.export',
  params: backupParams.extend({
    collection: z
      .string()
      .min(1)
      .max(255)
      .meta({ description: 'Name of a collection.', examples: ['documents'] }),
  }),
  query: z.object({ format: z.enum(['csv', 'json']).default('csv') }),
  responses: {
    200: {
      description: 'CSV as of RFC 4180, or a JSON array.',
      mediaType: 'application/octet-stream',
      stream: true,
    },
  },
  errors,
  timeoutMs: BEGIN_TIMEOUT_MS,
});

export const exportUser = endpoint({
  operationId: 'exportUser',
  method: 'GET',
  path: '/api/v1/users/{id}/export',
  tag,
  summary: 'Download everything that is stored of a user, as a tar archive',
  description:
    'Account, sessions, API keys without their secrets, tasks, the rows of the audit log with actions of the user, and the database with its files: it is backed up first. Users get their own. Limited as downloads of backups.',
  answeredBy: 'account',
  permission: 'users.export',
  audit: 'user.export',
  params: idParams('a user'),
  responses: { 200: { description: 'The archive.', mediaType: 'application/x-tar', stream: true } },
  errors,
  timeoutMs: BEGIN_TIMEOUT_MS,
});

/** Methods of `client.exports`. */
export const exports = {
  backup: downloadBackup,
  collection: exportCollection,
  user: exportUser,
};
