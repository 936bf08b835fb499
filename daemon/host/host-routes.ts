import { type DoctorReport, getDaemonLog, getDoctorReport } from '../../shared/api/daemon.ts';
import { FathomError } from '../../shared/errors.ts';
import type { RecentLog } from '../base/log/recent-log.ts';
import { SingleFlight } from '../base/single-flight.ts';
import type { Clock } from '../base/time/clock.ts';
import { type Api, serve } from '../http/serve.ts';

/** Requests within this time get the same report: a report takes most of a second of CPU time. */
const REPORT_AGE_MS = 2_000;

export interface HostRoutesDeps {
  diagnose: (() => Promise<DoctorReport['findings']>) | null;
  recentLog: RecentLog;
  clock: Clock;
}

/** Routes for the report of the doctor and the log of the daemon. */
export function hostRoutes(app: Api, { diagnose, recentLog, clock }: HostRoutesDeps): void {
  const flights = new SingleFlight<DoctorReport>();
  let last: DoctorReport | null = null;

  serve(app, getDoctorReport, async () => {
    if (diagnose === null)
      throw new FathomError('not_found', "run 'fathomd doctor' on the host of this daemon");
    const now = clock.now().getTime();
    const age = last === null ? Number.POSITIVE_INFINITY : now - Date.parse(last.at);
    if (last !== null && age >= 0 && age < REPORT_AGE_MS) return last;
    last = await flights.run('doctor', async () => ({
      at: clock.now().toISOString(),
      findings: await diagnose(),
    }));
    return last;
  });

  serve(app, getDaemonLog, ({ query: { tail } }) => ({ lines: recentLog.lines(tail) }));
}
