import type { AlertStatus } from '../../../shared/api/alerts.ts';
import { type Finding, ok, warning } from './finding.ts';

/** Whether alerts and the heartbeat arrive. Null for a daemon of an earlier release. */
export function checkAlerts(status: AlertStatus | null): Finding[] {
  if (status === null) return [];
  const { channels, state_problem, heartbeat } = status;
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
  if (state_problem !== null)
    failing.push(
      warning(
        'alerts',
        `the state of alerts cannot be written, so a restart of the daemon can lose alerts or send them again: ${state_problem}`,
        'correct alerts.json in FATHOM_DATA_DIR: a file of the user of the daemon, on a disk with free space',
      ),
    );
  if (failing.length > 0) return failing;
  return [...deliveries(channels), ...beats(heartbeat)];
}

function deliveries(channels: AlertStatus['channels']): Finding[] {
  const names = (isSent: boolean) =>
    channels.flatMap(({ channel, sent_at }) => ((sent_at !== null) === isSent ? [channel] : [])).join(', ');
  const [sent, unsent] = [names(true), names(false)];
  return [
    ...(sent === '' ? [] : [ok('alerts', `alerts are delivered: ${sent}`)]),
    ...(unsent === ''
      ? []
      : [
          ok(
            'alerts',
            `no alert was sent since the start of the daemon: ${unsent}; 'fathomd alerts test' tries each channel`,
          ),
        ]),
  ];
}

function beats(heartbeat: AlertStatus['heartbeat']): Finding[] {
  if (heartbeat === null) return [];
  const { sent_at, withheld } = heartbeat;
  if (withheld !== null) return [ok('alerts', `the heartbeat is not sent: ${withheld}`)];
  return [
    ok(
      'alerts',
      sent_at === null
        ? 'no heartbeat was sent since the start of the daemon'
        : `the heartbeat is answered, last at ${sent_at}`,
    ),
  ];
}
