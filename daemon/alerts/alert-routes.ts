import { testAlerts } from '../../shared/api/alerts.ts';
import { type Api, serve } from '../http/serve.ts';
import type { Alerts } from './alerts.ts';

export interface AlertRoutesDeps {
  alerts: Alerts;
}

/** Registers the test of the channels. */
export function alertRoutes(app: Api, { alerts }: AlertRoutesDeps): void {
  serve(app, testAlerts, async () => ({ results: await alerts.sendTest() }));
}
