import { checkApplication, listApplications } from '../../../shared/api/applications.ts';
import { FathomError } from '../../../shared/errors.ts';
import { type Api, serve } from '../../http/serve.ts';
import { SetProblem } from '../applications/set-problem.ts';
import { readMigrationStatus } from '../migrations/status.ts';
import type { MigrationRoutesDeps } from './migration-routes.ts';

export type ApplicationRoutesDeps = Pick<MigrationRoutesDeps, 'templates'>;

/** Registers the routes of applications. */
export function applicationRoutes(app: Api, { templates }: ApplicationRoutesDeps): void {
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
    return { applications, problem: problem ?? (await readMigrationStatus(templates, [])).problem };
  });
  serve(app, checkApplication, async ({ params: { name } }) => {
    const { applications, problem } = await describe();
    if (problem === null && !applications.some((one) => one.name === name))
      throw new FathomError('not_found', `there is no application ${name}`);
    return templates.checkApplication(name);
  });
}
