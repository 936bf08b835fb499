import { getMigrations } from '../../../shared/api/migrations.ts';
import { type Api, serve } from '../../http/serve.ts';
import { dataDirOf } from '../../supervisor/instance-spec.ts';
import type { Catalog } from '../catalog.ts';
import { migrationStatus } from '../migrations/status.ts';
import type { TemplateStore } from '../provisioning/template.ts';

export interface MigrationRoutesDeps {
  template: Pick<TemplateStore, 'files' | 'problem' | 'readNow' | 'warnings'>;
  catalog: Catalog;
}

/** The migrations of user databases: whether they are in use, and which databases have others. */
export function migrationRoutes(app: Api, { template, catalog }: MigrationRoutesDeps): void {
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
