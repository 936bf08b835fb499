import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { DaemonStatus } from '../../../shared/api/daemon.ts';
import type { Instance } from '../../../shared/api/instances.ts';
import type { SignUpMode } from '../../../shared/sign-up.ts';
import { textWith } from '../../../test/helpers/text-with.ts';
import { KNOWN_ADVISORIES } from '../../pocketbase/advisories/known-advisories.ts';
import { INTERRUPTED_CHANGE_REMEDY } from '../install/release/interrupted-change.ts';
import { checkPorts, checkSandbox, runChecks } from './checks.ts';
import type { DiskFacts } from './facts/disks.ts';
import type { FleetFacts } from './facts/fleet-facts.ts';
import type { HostFacts } from './facts/host-facts.ts';
import { networkType } from './facts/network-disks.ts';
import { FINDING_IDS, type Finding } from './finding.ts';

const GIB = 1024 ** 3;

const UNLIMITED = { mode: 'open', databases: 3, max_databases: null } as const;
const NO_MAIL = { configured: false, problem: null };
const NO_LOSSES = { dropped: 0, problem: null };

const READY = {
  state: 'ready' as const,
  version: '0.1.0',
  pid: 42,
  startedAt: '2026-01-15T09:00:00Z',
  log: NO_LOSSES,
  signUps: UNLIMITED,
  mail: NO_MAIL,
  backups: null,
  trash: null,
  alerts: null,
  inactive: null,
  wakes: { last_hour: 0, slowest: [] },
  proxies: { trusted: 0, untrusted: null },
};

const HEALTHY: HostFacts = {
  nodeVersion: '24.21.0',
  config: { valid: true, warnings: [] },
  envFiles: [{ path: '/srv/.env', mode: 0o600, exposed: false }],
  binary: {
    usable: true,
    path: '/opt/pocketbase',
    version: '0.40.6',
    sha256: '6781',
    embedded: false,
    stamp: '',
  },
  cluster: null,
  advisories: { list: KNOWN_ADVISORIES, instances: null, configured: '0.40.6' },
  dataDir: { path: '/srv/fathom', state: 'writable', mode: 0o700 },
  ports: [
    { variable: 'SERVER_PORT', host: '127.0.0.1', port: 3000, state: 'free' },
    { variable: 'PB_GLOBAL_PORT', host: '127.0.0.1', port: 8090, state: 'ours' },
  ],
  disks: [disk({})],
  writesHeld: false,
  networkDisks: [],
  targetInMemory: null,
  portRange: { base: 9000, range: 1000 },
  litestream: null,
  edge: { hasToken: false, trustedProxies: [], publicUrl: 'http://{host}:{port}' },
  localPorts: { ephemeral: [32_768, 60_999], reserved: [] },
  inotifyInstances: 8192,
  openFiles: 65_536,
  memoryAvailableBytes: 2 * GIB,
  resources: { memory_total_bytes: 4 * GIB, processors: 2 },
  databases: 12,
  flock: 'ok',
  daemon: READY,
  sandbox: { level: 'full', reason: null },
  cgroup: { controllers: ['memory', 'cpu', 'pids', 'io'], reason: null },
  sockets: { held: true, reason: null },
  fathomVersion: '0.1.0',
  interruptedChange: null,
  now: new Date('2026-01-15T10:00:00Z'),
  weakSecrets: [],
  settingsKey: null,
  masterKey: null,
  sessionKey: null,
  fleet: null,
};

function withMail(mode: SignUpMode, mail: DaemonStatus['mail']): Partial<HostFacts> {
  return { daemon: { ...READY, signUps: { ...UNLIMITED, mode }, mail } };
}

function disk({
  settings = ['FATHOM_DATA_DIR'],
  freeBytes = 20 * GIB,
  freeFiles = null,
}: {
  settings?: string[];
  freeBytes?: number;
  freeFiles?: number | null;
}): DiskFacts {
  return {
    directories: settings.map((setting) => ({ setting, path: `/srv/${setting.toLowerCase()}` })),
    freeBytes,
    freeFiles,
  };
}

const WRONG_KEY = {
  origin: '/a/.env',
  id: '00000000',
  matches: false,
  missing: [{ id: '11111111', count: 3 }],
  matchingKey: null,
};

function findProblems(changes: Partial<HostFacts>): Finding[] {
  return runChecks({ ...HEALTHY, ...changes }).filter(({ level }) => level !== 'ok');
}

it('finds nothing on a healthy host', () => {
  expect(findProblems({})).toEqual([]);
  expect(runChecks(HEALTHY)).toHaveLength(19);
});

describe('reports as fatal', () => {
  it.each<[string, Partial<HostFacts>, string, string]>([
    ['an old Node', { nodeVersion: '20.20.0' }, 'node', 'npm ci'],
    ['a missing flock', { flock: 'missing' }, 'flock', 'util-linux'],
    ['a flock without --no-fork', { flock: 'no_fork_unknown' }, 'flock', 'util-linux'],
    ['an unusable binary', { binary: { usable: false, problem: 'wrong hash' } }, 'binary', 'npm ci'],
    ['a full disk', { disks: [disk({ freeBytes: 1000 })] }, 'disk', 'FATHOM_DATA_DIR'],
    [
      'a full disk of databases',
      { disks: [disk({}), disk({ settings: ['PB_USER_DBS_PATH'], freeBytes: 1000 })] },
      'disk',
      'PB_USER_DBS_PATH',
    ],
    ['a disk without inodes', { disks: [disk({ freeFiles: 10 })] }, 'disk', 'df -i'],
    [
      'a data directory of another user',
      { dataDir: { path: '/srv/fathom', state: 'not_writable', mode: 0o700 } },
      'data_dir',
      'chown',
    ],
    [
      'a data directory that is a file',
      { dataDir: { path: '/srv/fathom', state: 'not_a_directory', mode: 0o600 } },
      'data_dir',
      'FATHOM_DATA_DIR',
    ],
    [
      'a data directory that cannot be created',
      { dataDir: { path: '/srv/fathom', state: 'cannot_be_created', mode: null } },
      'data_dir',
      'FATHOM_DATA_DIR',
    ],
    [
      'a port in use',
      { ports: [{ variable: 'SERVER_PORT', host: '127.0.0.1', port: 3000, state: 'taken' }] },
      'port_server_port',
      'SERVER_PORT',
    ],
    [
      'a privileged port',
      { ports: [{ variable: 'SERVER_PORT', host: '127.0.0.1', port: 80, state: 'forbidden' }] },
      'port_server_port',
      '1024',
    ],
    [
      'a wrong encryption key when the right one is configured elsewhere',
      { settingsKey: { origin: '/a/.env', matches: false, matchingKey: 'PB_ENCRYPTION_KEY in /b/.env' } },
      'encryption_key',
      'PB_ENCRYPTION_KEY in /b/.env',
    ],
    [
      'a wrong encryption key',
      { settingsKey: { origin: '/a/.env', matches: false, matchingKey: null } },
      'encryption_key',
      'from your copy',
    ],
    [
      'a wrong master key when the right one is configured elsewhere',
      { masterKey: { ...WRONG_KEY, matchingKey: 'PB_ENCRYPTION_KEY in /a/.env' } },
      'master_key',
      'PB_ENCRYPTION_KEY in /a/.env',
    ],
    ['a wrong master key', { masterKey: WRONG_KEY }, 'master_key', 'from your copy'],
  ])('%s', (_what, changes, id, remedy) => {
    expect(findProblems(changes)).toEqual([
      { id, level: 'fatal', summary: expect.any(String), remedy: expect.stringContaining(remedy) },
    ]);
  });

  it('each problem of the configuration, with a remedy', () => {
    const problems = [
      { path: 'AES_MASTER_KEY', message: "16 bytes, needs 32 (base64); run 'fathomd init'" },
      { path: 'SERVER_PORT', message: 'is odd' },
    ];
    expect(findProblems({ config: { valid: false, problems, warnings: ['odd'] } })).toEqual([
      { id: 'config', level: 'warning', summary: 'odd', remedy: expect.any(String) },
      {
        id: 'config',
        level: 'fatal',
        summary: 'AES_MASTER_KEY: 16 bytes, needs 32 (base64)',
        remedy: "run 'fathomd init'",
      },
      { id: 'config', level: 'fatal', summary: 'SERVER_PORT: is odd', remedy: 'correct it' },
    ]);
  });
});

it('accepts a port only when its own global PocketBase uses it', () => {
  const port = { variable: 'PB_GLOBAL_PORT', host: '127.0.0.1', port: 8090, state: 'taken' } as const;
  const withAddress = (address: string) => ({
    ports: [port],
    fleet: {
      ...({} as FleetFacts),
      processes: [{ pid: 7, instance: 'global', sha256: '6781', address }],
    },
  });
  const levels = ['127.0.0.1:8090', '127.0.0.1:8091'].map(
    (address) => checkPorts({ ...HEALTHY, ...withAddress(address) })[0]?.level,
  );
  expect(levels).toEqual(['ok', 'fatal']);
});

it('names developer databases, which do not start below the sandbox level full', () => {
  const instances = (['developer', 'app', 'developer'] as const).map((access) => ({ access }) as Instance);
  const fleet = { ...({} as FleetFacts), instances };
  const found = (level: 'full' | 'files') =>
    checkSandbox({ ...HEALTHY, fleet, sandbox: { level, reason: null } });
  expect(found('full').map(({ level }) => level)).toEqual(['ok']);
  expect(found('files')).toMatchObject([
    { level: 'ok' },
    {
      level: 'warning',
      summary: textWith('developer', 2),
      remedy: textWith('docs/security.md', '--access app'),
    },
  ]);
});

describe('warns about', () => {
  it.each<[string, Partial<HostFacts>, string, string]>([
    [
      'a daemon that does not run',
      { daemon: { state: 'absent', socketPath: '/run/s' } },
      'daemon',
      'systemctl start fathomd',
    ],
    ['a daemon that is starting', { daemon: { ...READY, state: 'starting' } }, 'daemon', 'fathomd status'],
    [
      'an env file that other users can read',
      { envFiles: [{ path: '/e', mode: 0o644, exposed: true }] },
      'env_file',
      'chmod 600 /e',
    ],
    [
      'a data directory that other users can read',
      { dataDir: { path: '/d', state: 'writable', mode: 0o755 } },
      'data_dir',
      'chmod 700 /d',
    ],
    ['little space', { disks: [disk({ freeBytes: 0.5 * GIB })] }, 'disk', 'FATHOM_DATA_DIR'],
    [
      'a full disk of logs',
      { disks: [disk({}), disk({ settings: ['LOG_DIR'], freeBytes: 0 })] },
      'disk',
      'LOG_DIR',
    ],
    ['few inodes', { disks: [disk({ freeFiles: 1000 })] }, 'disk', 'df -i'],
    [
      'a log that cannot be written',
      {
        daemon: {
          ...READY,
          log: { dropped: 7, problem: 'standard output: ENOSPC' },
        },
      },
      'daemon_log',
      'free space',
    ],
    [
      'accounts that wait for a mail, without a mail server',
      withMail('verified', NO_MAIL),
      'mail',
      'SMTP_HOST',
    ],
    ['invitations without a mail server', withMail('invited', NO_MAIL), 'mail', 'SMTP_HOST'],
    [
      'a mail server that refuses mails',
      withMail('open', { configured: true, problem: 'it refuses the password' }),
      'mail',
      'verify-mail',
    ],
    [
      'databases on a network file system',
      { networkDisks: [{ path: '/mnt/databases', type: 'nfs' }] },
      'network_disk',
      'a disk of this host',
    ],
    ['backups in memory', { targetInMemory: '/run/backups' }, 'backups', 'a directory on a disk'],
    [
      'few free inotify instances',
      { inotifyInstances: 128, databases: 102 },
      'inotify',
      "'fs.inotify.max_user_instances = 1024' into /etc/sysctl.d/50-fathom.conf",
    ],
    [
      'a weak secret',
      { weakSecrets: [{ variable: 'JWT_SECRET', why: 'is weak' }] },
      'secrets',
      'fathomd init',
    ],
    ['a daemon of another version', { fathomVersion: '0.2.0' }, 'daemon_version', 'systemctl restart'],
    [
      'an upgrade that was interrupted',
      {
        interruptedChange: {
          summary: 'the change from 1 to 2 was interrupted',
          remedy: INTERRUPTED_CHANGE_REMEDY,
        },
      },
      'release',
      'fathomd rollback',
    ],
    ['little memory', { memoryAvailableBytes: GIB / 10 }, 'memory', 'DATABASE_MEMORY_MB'],
    ['few open files', { openFiles: 1024 }, 'open_files', 'LimitNOFILE'],
    ['no notifications', { sockets: { held: false, reason: 'EINVAL' } }, 'sockets', 'seccomp'],
    ['no Landlock', { sandbox: { level: 'syscalls', reason: 'old kernel' } }, 'sandbox', 'docs/security.md'],
    ['a keeper that does not run', { sandbox: { problem: 'EACCES' } }, 'sandbox', 'other findings'],
    ['an unknown setting', { config: { valid: true, warnings: ['odd'] } }, 'config', '.env.sample'],
  ])('%s', (_what, changes, id, remedy) => {
    expect(findProblems(changes)).toEqual([
      expect.objectContaining({ id, level: 'warning', remedy: expect.stringContaining(remedy) }),
    ]);
  });

  it('limits that are too low for the fleet', () => {
    expect(findProblems({ databases: 6600 }).map(({ id }) => id)).toEqual(['inotify', 'open_files']);
  });
});

it('recognizes a network file system by its number, also when it is signed', () => {
  expect([0x6969, 0xff534d42, 0xff534d42 | 0, 0xef53].map(networkType)).toEqual([
    'nfs',
    'cifs',
    'cifs',
    null,
  ]);
});

it('accepts the default limits of Debian for a small fleet', () => {
  expect(findProblems({ inotifyInstances: 128, databases: 101 })).toEqual([]);
});

describe('a vulnerable PocketBase', () => {
  const vulnerable = { list: KNOWN_ADVISORIES, configured: '0.39.1' };

  it('is named with the instances that run it, and with what to do', () => {
    const instances = [
      { name: 'global', version: '0.39.1' },
      { name: 'ann', version: '0.37.3' },
      { name: 'bob', version: '0.40.6' },
    ];
    const found = findProblems({ advisories: { ...vulnerable, instances } });
    expect(found).toMatchObject([
      { id: 'advisories', level: 'warning', summary: textWith('1 instance', '0.37.3', 'CVE-2026-44166') },
      { id: 'advisories', level: 'warning', summary: textWith('1 instance', '0.39.1', 'CVE-2026-82410') },
    ]);
    for (const { remedy } of found) expect(remedy).toContain('fathomd pocketbase install');
  });

  it('is found before the first start', () => {
    expect(findProblems({ advisories: { ...vulnerable, instances: null } })).toMatchObject([
      { id: 'advisories', summary: textWith('0.39.1', 'CVE-2026-82410', 'high') },
    ]);
    expect(
      runChecks({ ...HEALTHY, advisories: { ...vulnerable, instances: null, configured: null } }),
    ).toHaveLength(18);
  });
});

it('skips limits that cannot be read', () => {
  expect(runChecks({ ...HEALTHY, inotifyInstances: null, openFiles: null })).toHaveLength(17);
});

it('accepts a missing data directory before the first start', () => {
  expect(findProblems({ dataDir: { path: '/d', state: 'absent', mode: null } })).toEqual([]);
});

it('documents every finding and no other', () => {
  const page = readFileSync(join(import.meta.dirname, '../../../docs/doctor.md'), 'utf8');
  const section = page.split('## Findings')[1]?.split('\n## ')[0] ?? '';
  const rows = section.split('\n').filter((line) => line.startsWith('| `'));
  const documented = rows.flatMap((row) => [...(row.split('|')[1] ?? '').matchAll(/`([a-z_]+)`/g)]);
  expect(documented.map(([, id]) => id ?? '').toSorted()).toEqual([...FINDING_IDS].toSorted());
});
