import { deleteSchedule, listSchedules, setSchedule } from '../../shared/api/schedules.ts';
import { type Api, serve, slicePage } from '../http/serve.ts';
import type { Queue } from './queue.ts';

export interface ScheduleRoutesDeps {
  queue: Queue;
}

/** Registers the routes of schedules, for administrators. */
export function scheduleRoutes(app: Api, { queue }: ScheduleRoutesDeps): void {
  serve(app, listSchedules, async (request) => {
    return slicePage(await queue.schedules.list(), request.query);
  });

  serve(app, setSchedule, (request) => queue.schedules.set(request.params.name, request.body));

  serve(app, deleteSchedule, async (request) => {
    await queue.schedules.remove(request.params.name);
  });
}
