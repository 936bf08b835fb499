import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { WAYS_TO_SETTLE } from '../install/release/unfinished.ts';
import { checkPorts, judge } from './checks.ts';
import type { DiskFacts } from './facts/disks.ts';
import type { FleetFacts } from './facts/fleet-facts.ts';
import type { HostFacts } from './facts/host-facts.ts';
import { networkType } from './facts/network-disks.ts';
import { FINDING_IDS, type Finding } from './finding.ts';

const GIB = 1024 ** 3;

const NO_LOSSES = { dropped: 0, problem: null };

const HEALTHY: HostFacts = {
  nodeVersion: '24.21.0',
  config: { valid: true, warnings: [] },
  envFiles: [{ path: '/srv/.env', mode: 0o600, exposed: false }],
  binary: { usable: true, path: '/opt/pocketbase', version: '0.39.1', sha256: '6781' },
  dataDir: { path: '/srv/fathom', state: 'writable', mode: 0o700 },
  ports: [
    { variable: 'SERVER_PORT', host: '127.0.0.1', port: 3000, state: 'free' },
    { variable: 'PB_GLOBAL_PORT', host: '127.0.0.1', port: 8090, state: 'ours' },
  ],
  disks: [disk({})],
  networkDisks: [],
  inotifyInstances: 8192,
  openFiles: 65_536,
  databases: 12,
  flock: 'ok',
  daemon: { state: 'ready', version: '0.1.0', pid: 42, log: NO_LOSSES },
  fathomVersion: '0.1.0',
  unfinishedChange: null,
  now: new Date('2026-01-15T10:00:00Z'),
  weakSecrets: [],
  settingsKey: null,
  masterKey: null,
  sessionKey: null,
  fleet: null,
};

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
    places: settings.map((setting) => ({ setting, path: `/srv/${setting.toLowerCase()}` })),
    freeBytes,
    freeFiles,
  };
}

const WRONG_KEY = {
  origin: '/a/.env',
  id: '00000000',
  opens: false,
  missing: [{ id: '11111111', count: 3 }],
  rightOne: null,
};

function troubles(changes: Partial<HostFacts>): Finding[] {
  return judge({ ...HEALTHY, ...changes }).filter(({ level }) => level !== 'ok');
}

it('finds nothing on a healthy host', () => {
  expect(troubles({})).toEqual([]);
  expect(judge(HEALTHY)).toHaveLength(13);
});

describe('fatal is', () => {
  it.each<[string, Partial<HostFacts>, string, string]>([
    ['an old Node', { nodeVersion: '20.20.0' }, 'node', 'npm ci'],
    ['a missing flock', { flock: 'missing' }, 'flock', 'util-linux'],
    ['a flock without --no-fork', { flock: 'no_fork_unknown' }, 'flock', 'util-linux'],
    ['an unusable binary', { binary: { usable: false, problem: 'wrong hash' } }, 'binary', 'npm ci'],
    ['a full disk', { disks: [disk({ freeBytes: 1000 })] }, 'disk', 'free some space'],
    [
      'a full disk of the databases alone',
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
      'a data directory that cannot be made',
      { dataDir: { path: '/srv/fathom', state: 'cannot_be_made', mode: null } },
      'data_dir',
      'FATHOM_DATA_DIR',
    ],
    [
      'a port that is taken',
      { ports: [{ variable: 'SERVER_PORT', host: '127.0.0.1', port: 3000, state: 'taken' }] },
      'port_server_port',
      'SERVER_PORT',
    ],
    [
      'a port that may not be opened',
      { ports: [{ variable: 'SERVER_PORT', host: '127.0.0.1', port: 80, state: 'forbidden' }] },
      'port_server_port',
      '1024',
    ],
    [
      'a key that opens nothing, with the right one elsewhere',
      { settingsKey: { origin: '/a/.env', opens: false, rightOne: 'PB_ENCRYPTION_KEY in /b/.env' } },
      'encryption_key',
      'PB_ENCRYPTION_KEY in /b/.env is the right one',
    ],
    [
      'a key that opens nothing',
      { settingsKey: { origin: '/a/.env', opens: false, rightOne: null } },
      'encryption_key',
      'from your copy',
    ],
    [
      'a master key that opens nothing, with the right one elsewhere',
      { masterKey: { ...WRONG_KEY, rightOne: 'PB_ENCRYPTION_KEY in /a/.env' } },
      'master_key',
      'PB_ENCRYPTION_KEY in /a/.env is the right one',
    ],
    ['a master key that opens nothing', { masterKey: WRONG_KEY }, 'master_key', 'from your copy'],
  ])('%s', (_what, changes, id, remedy) => {
    expect(troubles(changes)).toEqual([
      { id, level: 'fatal', summary: expect.any(String), remedy: expect.stringContaining(remedy) },
    ]);
  });

  it('every problem of the configuration, each with its own remedy', () => {
    const problems = [
      { path: 'AES_MASTER_KEY', message: "16 bytes, needs 32 (base64); run 'fathomd init'" },
      { path: 'SERVER_PORT', message: 'is odd' },
    ];
    expect(troubles({ config: { valid: false, problems, warnings: ['odd'] } })).toEqual([
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

it('our own global PocketBase may hold its port without a daemon, and no other program', () => {
  const port = { variable: 'PB_GLOBAL_PORT', host: '127.0.0.1', port: 8090, state: 'taken' } as const;
  const holding = (address: string) => ({
    ports: [port],
    fleet: {
      ...({} as FleetFacts),
      processes: [{ pid: 7, instance: 'global', sha256: '6781', address }],
    },
  });
  const levels = ['127.0.0.1:8090', '127.0.0.1:8091'].map(
    (address) => checkPorts({ ...HEALTHY, ...holding(address) })[0]?.level,
  );
  expect(levels).toEqual(['ok', 'fatal']);
});

describe('a warning is', () => {
  it.each<[string, Partial<HostFacts>, string, string]>([
    [
      'a daemon that does not run',
      { daemon: { state: 'absent', socketPath: '/run/s' } },
      'daemon',
      'systemctl start fathomd',
    ],
    [
      'a daemon that is starting',
      { daemon: { state: 'starting', version: '1', pid: 1, log: NO_LOSSES } },
      'daemon',
      'fathomd status',
    ],
    [
      'an env file that others read',
      { envFiles: [{ path: '/e', mode: 0o644, exposed: true }] },
      'env_file',
      'chmod 600 /e',
    ],
    [
      'a data directory open to others',
      { dataDir: { path: '/d', state: 'writable', mode: 0o755 } },
      'data_dir',
      'chmod 700 /d',
    ],
    ['little space', { disks: [disk({ freeBytes: 0.5 * GIB })] }, 'disk', 'free some space'],
    [
      'a full disk of the logs alone',
      { disks: [disk({}), disk({ settings: ['LOG_DIR'], freeBytes: 0 })] },
      'disk',
      'LOG_DIR',
    ],
    ['few inodes', { disks: [disk({ freeFiles: 1000 })] }, 'disk', 'df -i'],
    [
      'a log that cannot be written',
      {
        daemon: {
          state: 'ready',
          version: '0.1.0',
          pid: 42,
          log: { dropped: 7, problem: 'standard output: ENOSPC' },
        },
      },
      'daemon_log',
      'free space',
    ],
    [
      'databases on the network',
      { networkDisks: [{ path: '/mnt/databases', type: 'nfs' }] },
      'network_disk',
      'a disk of this host',
    ],
    [
      'inotify instances of which most are taken',
      { inotifyInstances: 128, databases: 102 },
      'inotify',
      "'fs.inotify.max_user_instances = 1024' into /etc/sysctl.d/50-fathom.conf",
    ],
    [
      'a secret that is weak',
      { weakSecrets: [{ variable: 'JWT_SECRET', why: 'is weak' }] },
      'secrets',
      'fathomd init',
    ],
    ['a daemon of another version', { fathomVersion: '0.2.0' }, 'daemon_version', 'systemctl restart'],
    [
      'an upgrade that was interrupted',
      { unfinishedChange: { summary: 'the change from 1 to 2 was interrupted', remedy: WAYS_TO_SETTLE } },
      'release',
      'fathomd rollback',
    ],
    ['few open files', { openFiles: 1024 }, 'open_files', 'LimitNOFILE'],
    [
      'a remark on the configuration',
      { config: { valid: true, warnings: ['odd'] } },
      'config',
      '.env.sample',
    ],
  ])('%s', (_what, changes, id, remedy) => {
    expect(troubles(changes)).toEqual([
      expect.objectContaining({ id, level: 'warning', remedy: expect.stringContaining(remedy) }),
    ]);
  });

  it('a limit that the fleet is growing into', () => {
    expect(troubles({ databases: 6600 }).map(({ id }) => id)).toEqual(['inotify', 'open_files']);
  });
});

it('a network file system is known by its number, also where that is signed', () => {
  expect([0x6969, 0xff534d42, 0xff534d42 | 0, 0xef53].map(networkType)).toEqual([
    'nfs',
    'cifs',
    'cifs',
    null,
  ]);
});

it('finds what a stock Debian allows enough for an ordinary fleet', () => {
  expect(troubles({ inotifyInstances: 128, databases: 101 })).toEqual([]);
});

it('says nothing of limits that cannot be read', () => {
  expect(judge({ ...HEALTHY, inotifyInstances: null, openFiles: null })).toHaveLength(11);
});

it('lets a data directory be absent before the first start', () => {
  expect(troubles({ dataDir: { path: '/d', state: 'absent', mode: null } })).toEqual([]);
});

it('has a line in the documentation for every kind of finding, and for no other', () => {
  const page = readFileSync(join(import.meta.dirname, '../../../docs/doctor.md'), 'utf8');
  const section = page.split('## Findings')[1]?.split('\n## ')[0] ?? '';
  const rows = section.split('\n').filter((line) => line.startsWith('| `'));
  const documented = rows.flatMap((row) => [...(row.split('|')[1] ?? '').matchAll(/`([a-z_]+)`/g)]);
  expect(documented.map(([, id]) => id ?? '').toSorted()).toEqual([...FINDING_IDS].toSorted());
});
