import type { Setting } from './setting.ts';

const ALERT = { group: 'alerts', reload: true } as const;
const MINUTES_OF_A_DAY = 24 * 60;

/** Settings of alerts; a part of `SETTINGS`. */
export const ALERT_SETTINGS = {
  ALERT_WEBHOOK_URL: {
    ...ALERT,
    type: 'URL',
    about:
      'Where alerts are sent as JSON by POST, like https://ops.example.com/fathom. Set it together with ALERT_WEBHOOK_SECRET.',
    hidden: true,
  },
  ALERT_WEBHOOK_SECRET: {
    ...ALERT,
    type: 'text',
    about:
      'Signs these requests in the form of Standard Webhooks: whsec_ and the base64 of 24 to 64 random bytes. ' +
      "'echo whsec_$(openssl rand -base64 32)' generates one.",
    hidden: true,
  },
  ALERT_MAIL_TO: {
    ...ALERT,
    type: 'list',
    about: 'E-mail addresses that get alerts, at most 20. Needs SMTP_HOST.',
  },
  ALERT_COMMAND: {
    ...ALERT,
    type: 'path',
    about:
      'Program that gets each alert as JSON on its standard input, without arguments. It runs as the user of the daemon.',
  },
  ALERT_INTERVAL: {
    ...ALERT,
    type: 'number',
    about: 'Least time between two alerts. What happens in between is one alert.',
    default: 5,
    min: 1,
    max: MINUTES_OF_A_DAY,
    unit: 'minutes',
  },
  ALERT_QUIET_HOURS: {
    ...ALERT,
    type: 'text',
    about:
      'Time of the day in which only critical problems are sent, like 22:00-07:00 in UTC, or 22:00-07:00 Europe/Berlin. ' +
      'The others are sent afterwards, if they still last.',
  },
  HEARTBEAT_URL: {
    ...ALERT,
    type: 'URL',
    about:
      'URL of a service that raises an alarm when requests stay away. The daemon requests it while it works and no problem ' +
      'is critical.',
    hidden: true,
  },
  HEARTBEAT_INTERVAL: {
    ...ALERT,
    type: 'number',
    about: 'Time between two requests of HEARTBEAT_URL.',
    default: 5,
    min: 1,
    max: MINUTES_OF_A_DAY,
    unit: 'minutes',
  },
  EVENT_WEBHOOK_URL: {
    type: 'URL',
    group: 'alerts',
    about:
      'Where events of users and databases, like user.created, are sent as JSON by POST. Set it together with EVENT_WEBHOOK_SECRET.',
    hidden: true,
  },
  EVENT_WEBHOOK_SECRET: {
    type: 'text',
    group: 'alerts',
    about: 'Signs these requests; in the form of ALERT_WEBHOOK_SECRET.',
    hidden: true,
  },
} as const satisfies Record<string, Setting>;
