import { checkApplication, listApplications } from '../../../shared/api/applications.ts';
import { FathomError } from '../../../shared/errors.ts';
import { type Api, serve } from '../../http/serve.ts';
import { SetProblem } from '../applications/set-problem.ts';
import { readMigrationStatus } from '../migrations/status.ts';
import type { MigrationRoutesDeps } from './migration-routes.ts';

export type ApplicationRoutesDeps = MigrationRoutesDeps;

/** Registers the routes of applications. */
export function applicationRoutes(app: Api, { templates, catalog }: ApplicationRoutesDeps): void {
  const describe = async () => {
    try {
      return { applications: await templates.describeApplications(), problem: null };
    } catch (error) {
      if (error instanceof SetProblem) return { applications: [], problem: error.problem };
      throw error;
    }
  };
  serve(app, listApplications, async () => {
    const { applications, problem } = await describe();
    const used = new Map<string, number>();
    for (const { instance } of catalog.entries())
      for (const name of instance.applications()) used.set(name, (used.get(name) ?? 0) + 1);
    return {
      applications: applications.map((one) => ({ ...one, databases: used.get(one.name) ?? 0 })),
      problem: problem ?? (await readMigrationStatus(templates, [])).problem,
    };
  });
  serve(app, checkApplication, async ({ params: { name } }) => {
    const { applications, problem } = await describe();
    if (problem === null && !applications.some((one) => one.name === name))
      throw new FathomError('not_found', `there is no application ${name}`);
    return templates.checkApplication(name);
  });
}
