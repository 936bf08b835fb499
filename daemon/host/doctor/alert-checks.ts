import type { AlertStatus } from '../../../shared/api/alerts.ts';
import { type Finding, ok, warning } from './finding.ts';

/** Whether alerts and the heartbeat arrive. Null for a daemon of an earlier release. */
export function checkAlerts(status: AlertStatus | null): Finding[] {
  if (status === null) return [];
  const { channels, heartbeat } = status;
  const failing = channels.flatMap(({ channel, waiting, problem }) =>
    problem === null
      ? []
      : [
          warning(
            'alerts',
            `an alert was not delivered (${channel}, ${waiting} waiting): ${problem}`,
            "correct the settings of alerts or the receiver, then run 'fathomd alerts test'",
          ),
        ],
  );
  const problem = heartbeat?.problem ?? null;
  if (problem !== null)
    failing.push(
      warning('alerts', `the heartbeat was not answered: ${problem}`, 'correct HEARTBEAT_URL or its service'),
    );
  if (failing.length > 0) return failing;
  const names = [...channels.map(({ channel }) => channel), ...(heartbeat === null ? [] : ['heartbeat'])];
  return names.length === 0 ? [] : [ok('alerts', `alerts are delivered: ${names.join(', ')}`)];
}
