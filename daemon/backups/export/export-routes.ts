import type { FastifyReply, FastifyRequest } from 'fastify';
import type { Permission } from '../../../shared/api/accounts/permissions.ts';
import type { PageRequest } from '../../../shared/api/contract/page.ts';
import { downloadBackup, exportCollection, exportUser } from '../../../shared/api/exports.ts';
import type { ApiKeyRepository } from '../../accounts/sessions/api-key-repository.ts';
import type { SessionRepository } from '../../accounts/sessions/session-repository.ts';
import type { UserRepository } from '../../accounts/user-repository.ts';
import type { AuditRepository } from '../../audit/audit-repository.ts';
import type { Clock } from '../../base/time/clock.ts';
import type { Catalog } from '../../databases/catalog.ts';
import { requireOwnerOrAll, requireUserId, seesAll } from '../../http/caller.ts';
import { type Api, serve } from '../../http/serve.ts';
import type { Queue } from '../../queue/queue.ts';
import type { BackupRoutesDeps } from '../backup-routes.ts';
import { answered } from '../run/answered.ts';
import { accountFiles } from './account-files.ts';
import type { Download, DownloadOptions, Exports } from './exports.ts';

export interface ExportRoutesDeps
  extends Pick<BackupRoutesDeps, 'backups' | 'backupSubjects' | 'userLimits'> {
  catalog: Catalog;
  exports: Exports;
  users: UserRepository;
  sessionRepository: SessionRepository;
  apiKeyRepository: ApiKeyRepository;
  auditRepository: AuditRepository;
  queue: Queue;
  clock: Clock;
}

/** Registers the routes of downloads. */
export function exportRoutes(app: Api, deps: ExportRoutesDeps): void {
  const { catalog, exports, backups, backupSubjects, queue, userLimits, clock } = deps;

  /** Owners are limited, and have one download at a time. */
  const download = async (
    request: FastifyRequest,
    reply: FastifyReply,
    { permission, type }: { permission: Permission; type: string },
    begin: (options: DownloadOptions) => Promise<Download>,
  ): Promise<FastifyReply> => {
    const userId = seesAll(request.caller, permission) ? null : requireUserId(request);
    const gone = new AbortController();
    reply.raw.once('close', () => gone.abort());
    if (userId !== null) await userLimits.countUse('exports_per_day', userId);
    let begun: Download;
    try {
      begun = await begin({ userId, signal: gone.signal });
    } catch (error) {
      if (userId !== null) userLimits.giveBackUse('exports_per_day', userId);
      throw error;
    }
    const { fileName, bytes, stream } = begun;
    // Also when the response does not get as far as the stream.
    reply.raw.once('close', () => stream.destroy());
    if (bytes !== null) void reply.header('content-length', bytes);
    return reply
      .type(type)
      .header('content-disposition', `attachment; filename="${fileName}"`)
      .header('cache-control', 'no-store')
      .send(stream);
  };

  serve(app, downloadBackup, async (request, reply) => {
    const { name, id } = request.params;
    requireOwnerOrAll(request, catalog.find(name)?.row.user ?? null);
    catalog.get(name);
    const how = { permission: 'backups.download', type: 'application/x-tar' } as const;
    return download(request, reply, how, (options) => exports.openBackup(name, id, options));
  });

  serve(app, exportCollection, async (request, reply) => {
    const { name, id, collection } = request.params;
    requireOwnerOrAll(request, catalog.find(name)?.row.user ?? null);
    catalog.get(name);
    const { format } = request.query;
    const type = format === 'csv' ? 'text/csv; charset=utf-8' : 'application/json; charset=utf-8';
    const how = { permission: 'backups.download', type } as const;
    return download(request, reply, how, (options) =>
      exports.openCollection(name, id, { collection, format }, options),
    );
  });

  serve(app, exportUser, async (request, reply) => {
    const { id } = request.params;
    requireOwnerOrAll(request, id);
    await deps.users.get(id);
    const how = { permission: 'users.export', type: 'application/x-tar' } as const;
    return download(request, reply, how, async (options) => {
      const name = catalog.findByUser(id)?.row.name ?? null;
      const subject = name === null ? null : backupSubjects.find(name);
      if (subject !== null) await answered(backups.create(subject, { onlyChanged: true }));
      const tasks = {
        list: (query: PageRequest & { user_id: string }) => queue.store.list({ ...query, sort: '-created' }),
        get: (task: string) => queue.get(task),
      };
      const others = accountFiles(id, clock.now(), { ...deps, tasks });
      return exports.openArchive({ fileName: `account-${id}.tar`, others, database: name }, options);
    });
  });
}
