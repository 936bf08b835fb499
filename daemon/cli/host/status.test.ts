import { describe, expect, it } from 'vitest';
import type { DaemonStatus } from '../../../shared/api/daemon.ts';
import type { Instance } from '../../../shared/api/instances.ts';
import { NO_TASKS } from '../../../shared/task.ts';
import { BACKUP_STATUS, INACTIVE_STATUS, TRASH_STATUS } from '../../../test/helpers/backup-status.ts';
import { textWith } from '../../../test/helpers/text-with.ts';
import { problemsOf, statusLines } from './status.ts';

const status: DaemonStatus = {
  version: '0.1.0',
  protocol: 1,
  pid: 42,
  started_at: '2024-01-15T00:00:00Z',
  ready: true,
  waiting_for: null,
  api_url: 'http://127.0.0.1:3000',
  global_url: 'http://127.0.0.1:8090',
  data_dir: '/srv/fathom',
  pocketbase_version: '0.39.1',
  pocketbase_path: '/opt/pocketbase',
  exposure: { vulnerable_instances: 0, versions: [], remedy: null },
  sockets: { held: true, reason: null },
  instances: {
    stopped: 0,
    queued: 0,
    starting: 0,
    running: 3,
    unresponsive: 0,
    backing_off: 1,
    stopping: 0,
    asleep: 0,
    waking: 0,
    failed: 0,
  },
  total_instances: 4,
  mail: { configured: false, problem: null },
  sign_ups: { mode: 'open', databases: 3, max_databases: null },
  queue: { ...NO_TASKS, pending: 2 },
  queue_paused: false,
  log: { dropped: 0, problem: null },
  backups: BACKUP_STATUS,
  alerts: { channels: [], open: 0, state_problem: null, heartbeat: null },
  trash: TRASH_STATUS,
  inactive: INACTIVE_STATUS,
  wakes: { last_hour: 0, slowest: [] },
  proxies: { trusted: 0, untrusted: null },
  usage: null,
  sandbox: { level: 'files', reason: 'Linux 5.19' },
  cgroup: { controllers: ['memory', 'cpu'], reason: null },
  permissions: [],
};

it('shows counts without zeros', () => {
  expect(statusLines(status)).toEqual([
    textWith('daemon', 'ready', '0.1.0', 'pid 42', '2024-01-15T00:00:00Z'),
    'instances  3 running, 1 backing off',
    'sign-ups   open',
    'backups    to /srv/fathom/backups, next 2024-01-16T02:00:00.000Z',
    'tasks      2 pending',
    'api        http://127.0.0.1:3000',
    textWith('global', 'http://127.0.0.1:8090', '0.39.1'),
    'data       /srv/fathom',
    'sandbox    files: Linux 5.19',
    'cgroups    memory, cpu',
    'sockets    held while instances restart',
  ]);
});

it('shows which instances run a vulnerable PocketBase, and what to do', () => {
  const exposure: DaemonStatus['exposure'] = {
    vulnerable_instances: 4,
    versions: [{ version: '0.39.1', instances: 4, severity: 'high', advisories: ['CVE-2026-82410'] }],
    remedy: "run 'fathomd pocketbase install'",
  };
  expect(statusLines({ ...status, exposure })).toEqual(
    expect.arrayContaining([
      textWith('security', '4 instances', '0.39.1', 'CVE-2026-82410', 'high'),
      textWith("run 'fathomd pocketbase install'"),
    ]),
  );
});

const wakesLine = (wakes: DaemonStatus['wakes']) => statusLines({ ...status, wakes })[2];

it('shows wakes of the last hour, and the slowest one where it may be known', () => {
  const wake = { at: '2024-01-15T00:00:00Z', by: 'connection', duration_ms: 86.6 } as const;
  const slowest = [{ ...wake, database: 'a' }];
  expect(wakesLine({ last_hour: 3, slowest })).toBe(
    'wakes      3 in the last hour, the slowest took 87 ms (a)',
  );
  expect(wakesLine({ last_hour: 3, slowest: [] })).toBe('wakes      3 in the last hour');
});

it('shows what a starting daemon waits for', () => {
  const starting = { ...status, ready: false, waiting_for: 'the global PocketBase', queue: null };
  expect(statusLines(starting)[0]).toEqual(textWith('starting', 'the global PocketBase'));
  expect(statusLines(starting)[4]).toContain('unknown');
});

it('shows archived databases, and those that are archived soon', () => {
  const inactive = { ...INACTIVE_STATUS, days: 90, archived: 41, noticed: 3 };
  expect(statusLines({ ...status, inactive })).toContain(
    'archived   41 in backups, 3 more soon (DATABASE_INACTIVE_DAYS=90)',
  );
});

describe('problemsOf', () => {
  const fine = { ready: true, waiting_for: null, queue: NO_TASKS, usage: null };
  const instance = { desired: 'running', phase: 'running', reason: null, pid: null } as const;
  const reason = { code: 'disk_full', message: '' } as const;

  it.each([
    ['nothing is wrong', fine, [instance], 0],
    ['the daemon is starting', { ...fine, ready: false }, [], 1],
    ['the global PocketBase does not answer', { ...fine, queue: null }, [instance], 1],
    [
      'an erasure is delayed',
      { ...fine, trash: { ...TRASH_STATUS, erasures_pending: 1, problem: 'the target is away' } },
      [instance],
      1,
    ],
    [
      'databases that are not used cannot be archived',
      {
        ...fine,
        inactive: {
          ...INACTIVE_STATUS,
          blocked: 2,
          problem: { message: 'no mail server', remedy: 'set one' },
        },
      },
      [instance],
      1,
    ],
    ['an instance failed', fine, [{ ...instance, phase: 'failed' as const }], 1],
    ['one runs on a full disk', fine, [{ ...instance, reason }], 1],
    [
      'one sleeps',
      fine,
      [{ ...instance, phase: 'asleep', reason: { code: 'idle', message: '' } } as const],
      0,
    ],
    ['one is stopped on purpose', fine, [{ ...instance, desired: 'stopped', phase: 'stopped' } as const], 0],
    [
      'one is being restarted',
      fine,
      [{ ...instance, reason: { code: 'requested', message: '' } as const }],
      0,
    ],
  ])('%s', (_what, answer, instances, count) => {
    expect(problemsOf(answer, instances as unknown as Instance[])).toHaveLength(count);
  });
});
