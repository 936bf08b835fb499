import { getMigrations } from '../../../shared/api/migrations.ts';
import { type Api, serve } from '../../http/serve.ts';
import { dataDirOf } from '../../supervisor/instance-spec.ts';
import type { Catalog } from '../catalog.ts';
import { readMigrationStatus } from '../migrations/status.ts';
import type { TemplateStore } from '../provisioning/template.ts';
import type { Templates } from '../provisioning/templates.ts';

export interface MigrationRoutesDeps {
  templates: {
    fleet: Pick<TemplateStore, 'files' | 'servedFiles' | 'problem' | 'readFiles' | 'readAll' | 'warnings'>;
  } & Pick<Templates, 'otherProblem' | 'describeApplications' | 'checkApplication'>;
  catalog: Catalog;
}

/** Registers the route that shows the migrations of user databases. */
export function migrationRoutes(app: Api, { templates, catalog }: MigrationRoutesDeps): void {
  serve(app, getMigrations, () =>
    readMigrationStatus(
      templates,
      catalog.entries().map(({ row, runner, instance }) => ({
        name: row.name,
        dataDir: dataDirOf(runner.spec.directory),
        applications: instance.applications(),
      })),
    ),
  );
}
