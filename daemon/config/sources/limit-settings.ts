import { MAX_LIMIT } from '../../../shared/limits.ts';
import { SIGN_UP_MODES } from '../../../shared/sign-up.ts';
import type { Setting } from './setting.ts';

const LIMIT = { type: 'number', group: 'limits', min: 1, max: 100_000_000, reload: true } as const;
const SIGN_UPS = { ...LIMIT, group: 'signUps' } as const;

/** Limits of the API and of sign-ups. */
export const LIMIT_SETTINGS = {
  RATE_LIMIT_PER_MINUTE: { ...LIMIT, about: 'Requests of one address per minute.', default: 6000 },
  SIGN_IN_FAILURES_PER_ACCOUNT: {
    ...LIMIT,
    about: 'Failed sign-ins at one account in 15 minutes.',
    default: 10,
  },
  SIGN_IN_FAILURES_PER_ADDRESS: {
    ...LIMIT,
    about:
      'Failed sign-ins from one address in 15 minutes. At the address of a database, all sign-ins count.',
    default: 100,
  },
  CONNECTIONS_PER_ADDRESS: {
    ...LIMIT,
    about:
      'Open connections of one address to the API. A new one replaces the oldest idle one. ' +
      'For clients behind TRUSTED_PROXIES, concurrent requests and streams count instead.',
    default: 256,
  },

  CHANGES_PER_USER: {
    ...LIMIT,
    about:
      'Requests of a user that change something, in an hour. Each is an entry in the audit log. ' +
      'Administrators, operators and viewers are not limited.',
    default: 1000,
  },

  SIGN_UP_MODE: {
    type: 'choice',
    group: 'signUps',
    about:
      'Who can sign up. open: everyone. verified: everyone, and the database is created after the e-mail address is ' +
      'proved. invited: everyone with an invitation. closed: only administrators create accounts, and invitations wait.',
    default: 'open',
    choices: SIGN_UP_MODES,
    reload: true,
  },
  MAX_DATABASES: {
    ...SIGN_UPS,
    about: 'Number of user databases at which sign-ups are rejected. 0 is no limit.',
    default: 0,
    min: 0,
  },
  SIGN_UPS_PER_ADDRESS: {
    ...SIGN_UPS,
    about: 'Sign-ups from one address in an hour. The addresses of one IPv6 /64 network count as one.',
    default: 20,
  },
  SIGN_UPS_PER_ADDRESS_PER_DAY: { ...SIGN_UPS, about: 'The same in a day.', default: 60 },
  SIGN_UPS_PER_NETWORK: {
    ...SIGN_UPS,
    about: 'Sign-ups from one IPv6 /48 network in an hour.',
    default: 100,
  },
  SIGN_UPS_PER_HOUR: { ...SIGN_UPS, about: 'New accounts in an hour, from all addresses.', default: 500 },
  SIGN_UPS_PER_DAY: { ...SIGN_UPS, about: 'New accounts in a day, from all addresses.', default: 2000 },
} as const satisfies Record<string, Setting>;

/** Limits of a user, which a plan can change. */
export const USER_LIMIT_SETTINGS = {
  API_KEYS_PER_USER: {
    ...LIMIT,
    about: 'API keys of a user. A plan can set another limit, as for the four settings below.',
    default: 100,
  },
  SESSIONS_PER_USER: {
    ...LIMIT,
    about: 'Sessions of a user. A new sign-in ends the session that was not renewed for the longest time.',
    default: 100,
  },
  STREAMS_PER_USER: { ...LIMIT, about: 'Open streams of a user.', default: 20 },
  RESTARTS_PER_HOUR: {
    ...LIMIT,
    about:
      'Starts, stops, restarts, sleeps and wakes of a database by its owner in an hour. Requests wake a database without a limit.',
    default: 60,
  },
  BACKUPS_PER_DAY: { ...LIMIT, about: 'Backups of a database that its owner makes in a day.', default: 10 },
  OWN_BACKUPS: {
    ...LIMIT,
    about: 'Backups by the owner of a database that are kept, beside those that BACKUP_KEEP keeps.',
    default: 3,
  },
  EXPORTS_PER_DAY: {
    ...LIMIT,
    about: 'Downloads of backups and of the account by a user in a day.',
    default: 10,
  },
  TASKS_PER_USER: { ...LIMIT, about: 'Waiting tasks of a user in the queue.', default: 1000 },
  SLEEP_AFTER: {
    ...LIMIT,
    about:
      'Minutes without use after which the process of a database ends; the next request starts it again. 0 is never, ' +
      "otherwise at least 6. A plan can set another time, and 'fathomd databases set NAME --sleep-after N' that of one " +
      'database.',
    default: 0,
    min: 0,
    max: MAX_LIMIT,
    unit: 'minutes',
  },
  MAX_AWAKE: {
    ...LIMIT,
    about:
      'Number of databases with a process. Above it, databases sleep before their time of SLEEP_AFTER, also with ' +
      'SLEEP_AFTER=0, the one that was not used for the longest time first. Those with open connections stay awake, and ' +
      "those that 'never' sleep by their plan or 'fathomd databases set'. 0 is no limit.",
    default: 0,
    min: 0,
  },
} as const satisfies Record<string, Setting>;

/** Settings of user databases; a part of `SETTINGS`. */
export const DATABASE_SETTINGS = {
  DATABASE_MEMORY_MB: {
    type: 'number',
    group: 'instances',
    about:
      'Memory limit of a user database, without one of its own. 0 is no limit, otherwise at least 64. ' +
      "'fathomd databases set NAME --memory-mb N' sets the limit of one database.",
    default: 0,
    min: 0,
    max: MAX_LIMIT,
    unit: 'MiB',
  },
  DATABASE_DISK_MB: {
    type: 'number',
    group: 'instances',
    about:
      'Disk limit of a user database, without one of its own. 0 is no limit. ' +
      "'fathomd databases set NAME --disk-mb N' sets the limit of one database.",
    default: 0,
    min: 0,
    max: MAX_LIMIT,
    unit: 'MiB',
  },
  DATABASE_TRASH_DAYS: {
    type: 'number',
    group: 'instances',
    about:
      'Days for which a deleted database and its account can come back, before they are erased. ' +
      '0 erases them at once. A change applies to later deletions.',
    default: 30,
    min: 0,
    max: 3650,
    unit: 'days',
    reload: true,
  },
  DATABASE_INACTIVE_DAYS: {
    type: 'number',
    group: 'instances',
    about:
      'Days without use after which a database is archived at BACKUP_TARGET, until its next use. Its owner gets a mail 7 days ' +
      'and 1 day before, so it needs a mail server. 0 archives none, otherwise at least 14.',
    default: 0,
    min: 0,
    max: 3650,
    unit: 'days',
    reload: true,
  },
} as const satisfies Record<string, Setting>;
