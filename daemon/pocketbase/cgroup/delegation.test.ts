import { expect, it } from 'vitest';
import { delegatedCgroup, findCgroup, parseCgroup } from './delegation.ts';

const UNIFIED = '30 23 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate\n';

it.each([
  [
    'under systemd',
    '0::/system.slice/fathomd.service/daemon\n',
    UNIFIED,
    '/sys/fs/cgroup/system.slice/fathomd.service/daemon',
  ],
  ['beside version 1', '4:memory:/x\n0::/\n', UNIFIED, '/sys/fs/cgroup/'],
  [
    'with a second mount of a part',
    '0::/a/daemon\n',
    `31 30 0:26 /a /sys/fs/cgroup/a rw - cgroup2 cgroup2 rw\n${UNIFIED}`,
    '/sys/fs/cgroup/a/daemon',
  ],
  [
    'in a container that sees a part',
    '0::/docker/1/daemon\n',
    '30 23 0:26 /docker/1 /sys/fs/cgroup ro - cgroup2 cgroup rw\n',
    '/sys/fs/cgroup/daemon',
  ],
])('finds the cgroup of a process %s', (_name, membership, mounts, directory) => {
  expect(parseCgroup(membership, mounts)).toEqual({ directory });
});

it.each([
  ['only version 1', '4:memory:/x\n', '30 23 0:26 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n'],
  ['no mount', '0::/a\n', ''],
  ['a cgroup outside of the namespace', '0::/../b\n', UNIFIED],
  ['a removed cgroup', '0::/a (deleted)\n', UNIFIED],
  ['a mount of another part', '0::/b\n', '30 23 0:26 /a /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n'],
])('finds none with %s', (_name, membership, mounts) => {
  expect(parseCgroup(membership, mounts)).toHaveProperty('reason');
});

it('uses what is delegated to the service, and nothing else by itself', () => {
  expect(delegatedCgroup('/sys/fs/cgroup/system.slice/fathomd.service/daemon')).toEqual({
    directory: '/sys/fs/cgroup/system.slice/fathomd.service',
  });
  expect(delegatedCgroup('/sys/fs/cgroup/user.slice/session-1.scope')).toHaveProperty('reason');
  expect(delegatedCgroup('/sys/fs/cgroup/')).toHaveProperty('reason');
  expect(findCgroup('off')).toHaveProperty('reason');
  expect(findCgroup('/sys/fs/cgroup/fathom')).toEqual({ directory: '/sys/fs/cgroup/fathom' });
});
