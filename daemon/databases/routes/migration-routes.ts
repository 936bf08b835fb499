import { getMigrations } from '../../../shared/api/migrations.ts';
import { type Api, serve } from '../../http/serve.ts';
import { dataDirOf } from '../../supervisor/instance-spec.ts';
import type { Catalog } from '../catalog.ts';
import { readMigrationStatus } from '../migrations/status.ts';
import type { TemplateStore } from '../provisioning/template.ts';

export interface MigrationRoutesDeps {
  template: Pick<TemplateStore, 'files' | 'problem' | 'readFiles' | 'warnings'>;
  catalog: Catalog;
}

/** Registers the route that shows the migrations of user databases. */
export function migrationRoutes(app: Api, { template, catalog }: MigrationRoutesDeps): void {
  serve(app, getMigrations, () =>
    readMigrationStatus(
      template,
      catalog.entries().map(({ row, runner }) => ({
        name: row.name,
        dataDir: dataDirOf(runner.spec.directory),
      })),
    ),
  );
}
