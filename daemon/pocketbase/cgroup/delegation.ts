import { readFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';

/**
 * The cgroup of the daemon below the one that systemd delegates to the service (`DelegateSubgroup=`). A cgroup whose
 * controllers are passed on to others cannot have processes itself.
 */
export const DAEMON_GROUP = 'daemon';

/** The directory of a cgroup, or why there is none. */
export type FoundCgroup = { directory: string } | { reason: string };

/**
 * The cgroup that this process may divide among instances.
 *
 * @param setting `auto`, `off`, or an absolute path
 */
export function findCgroup(setting: string): FoundCgroup {
  if (setting === 'off') return { reason: 'FATHOM_CGROUP is off' };
  if (setting !== 'auto') return { directory: setting };
  const own = cgroupOf('self');
  if ('reason' in own) return own;
  return delegatedCgroup(own.directory);
}

/** @param own the cgroup of the daemon */
export function delegatedCgroup(own: string): FoundCgroup {
  if (basename(own) === DAEMON_GROUP) return { directory: dirname(own) };
  return {
    reason: 'no cgroup is delegated to the daemon; fathomd.service has one with systemd 254 or newer',
  };
}

/** The cgroup of a process. */
export function cgroupOf(pid: number | 'self'): FoundCgroup {
  try {
    return parseCgroup(
      readFileSync(`/proc/${pid}/cgroup`, 'utf8'),
      readFileSync('/proc/self/mountinfo', 'utf8'),
    );
  } catch (error) {
    return { reason: `the cgroup of the process cannot be read (${(error as Error).message})` };
  }
}

/**
 * @param membership the text of `/proc/<pid>/cgroup`
 * @param mounts the text of `/proc/self/mountinfo`
 */
export function parseCgroup(membership: string, mounts: string): FoundCgroup {
  const path = /^0::(\/.*)$/m.exec(membership)?.[1];
  const mounted = mounts.split('\n').flatMap((line) => {
    const [fields = '', kind = ''] = line.split(' - ');
    const [, , , root, mountPoint] = fields.split(' ');
    return kind.startsWith('cgroup2 ') && root !== undefined && mountPoint !== undefined
      ? [{ root, mountPoint }]
      : [];
  });
  const mount = mounted.find(({ root }) => root === '/') ?? mounted[0];
  if (path === undefined || mount === undefined) return { reason: 'cgroup version 2 is not mounted' };
  const { root, mountPoint } = mount;
  if (path.startsWith('/..') || path.endsWith(' (deleted)')) {
    return { reason: 'the cgroup of the process is not visible here' };
  }
  if (root === '/') return { directory: join(mountPoint, path) };
  if (path !== root && !path.startsWith(`${root}/`))
    return { reason: 'the cgroup of the process is not visible here' };
  return { directory: join(mountPoint, path.slice(root.length)) };
}
