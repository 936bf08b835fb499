import { MAX_LIMIT } from '../../../shared/limits.ts';
import type { Setting } from './setting.ts';

/** The Go runtime of user databases, and the restarts of instances. */
export const RUNTIME_SETTINGS = {
  PB_GOMAXPROCS: {
    type: 'number',
    group: 'instances',
    about:
      'Processors that one user database uses at the same time (GOMAXPROCS). 0 is all. It applies to an instance from ' +
      'its next start on.',
    default: 0,
    min: 0,
    max: 1024,
  },
  PB_GOMEMLIMIT_MB: {
    type: 'number',
    group: 'instances',
    about:
      'Memory above which the Go runtime of a user database without a memory limit collects garbage more often ' +
      '(GOMEMLIMIT). 0 is a quarter of the memory of the host. It applies to an instance from its next start on.',
    default: 0,
    min: 0,
    max: MAX_LIMIT,
    unit: 'MiB',
  },
  RESTART_BACKOFF_BASE_MS: {
    type: 'number',
    group: 'instances',
    about:
      'Longest wait before the second restart of an instance in a row. It doubles with each further one. ' +
      'The first restart follows at once.',
    default: 500,
    min: 1,
    max: 60_000,
    unit: 'ms',
    reload: true,
  },
  RESTART_BACKOFF_MAX_S: {
    type: 'number',
    group: 'instances',
    about: 'Longest wait before any restart of an instance.',
    default: 300,
    min: 1,
    max: 86_400,
    unit: 'seconds',
    reload: true,
  },
  RESTART_MAX_ATTEMPTS: {
    type: 'number',
    group: 'instances',
    about:
      'Starts in a row after which a database that has never run is failed. Crashes of one that has run are restarted ' +
      'without a limit.',
    default: 10,
    min: 1,
    max: 1000,
    reload: true,
  },
} as const satisfies Record<string, Setting>;
