import { archiveDatabase } from '../../../shared/api/archive.ts';
import { type Api, serve } from '../../http/serve.ts';
import type { DatabaseArchives } from './database-archives.ts';

export interface ArchiveRoutesDeps {
  archives: DatabaseArchives;
}

/** Registers the route that archives a database. */
export function archiveRoutes(app: Api, { archives }: ArchiveRoutesDeps): void {
  serve(app, archiveDatabase, (request) => archives.archive(request.params.name));
}
