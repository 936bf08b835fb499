import { deleteSchedule, listSchedules, setSchedule } from '../../shared/api/queue.ts';
import type { ApiDeps } from '../http/deps.ts';
import { pageFrom } from '../http/page.ts';
import { serve } from '../http/serve.ts';
import type { Api } from '../http/server.ts';

/** Tasks that are added again and again, for administrators. */
export function scheduleRoutes(app: Api, { queue }: ApiDeps): void {
  serve(app, listSchedules, async (request) => {
    return pageFrom(await queue.schedules.list(), request.query);
  });

  serve(app, setSchedule, async (request) => {
    return queue.schedules.set(request.params.name, request.body);
  });

  serve(app, deleteSchedule, async (request) => {
    await queue.schedules.remove(request.params.name);
  });
}
