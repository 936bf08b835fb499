import { getMigrations } from '../../../shared/api/migrations.ts';
import type { ApiDeps } from '../../http/deps.ts';
import { serve } from '../../http/serve.ts';
import type { Api } from '../../http/server.ts';
import { dataDirOf } from '../../supervisor/instance-spec.ts';
import { migrationStatus } from '../migrations/status.ts';

/** The migrations of user databases: whether they are in use, and which databases have others. */
export function migrationRoutes(app: Api, { template, catalog }: ApiDeps): void {
  serve(app, getMigrations, () =>
    migrationStatus(
      template,
      catalog.entries().map(({ row, runner }) => ({
        name: row.name,
        dataDir: dataDirOf(runner.spec.directory),
      })),
    ),
  );
}
