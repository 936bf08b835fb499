import { chmod, chown, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { FathomError, messageOf } from '../../../shared/errors.ts';

const EXECUTE_BY_GROUP = 0o010;
const EXECUTE_BY_ALL = 0o001;

/**
 * Gives a group access to the socket and its directory. Returns its id.
 *
 * @throws FathomError `config.invalid` when the group does not exist, or this user may not give files to it
 */
export async function allowGroup(path: string, group: string): Promise<number> {
  const gid = await findGroupId(group);
  const directory = dirname(path);
  const { mode, gid: directoryGid } = await stat(directory);
  try {
    await changeGroup(path, gid);
    const canEnter =
      (mode & EXECUTE_BY_ALL) !== 0 || (directoryGid === gid && (mode & EXECUTE_BY_GROUP) !== 0);
    if (canEnter) return gid;
    await changeGroup(directory, gid);
    await chmod(directory, (mode & 0o700) | EXECUTE_BY_GROUP);
    return gid;
  } catch (error) {
    throw invalid(
      `cannot give ${path} to the group '${group}' (${messageOf(error)}); make the user that runs fathomd a member of it`,
      error,
    );
  }
}

function changeGroup(path: string, gid: number): Promise<void> {
  return chown(path, process.getuid?.() ?? -1, gid);
}

/** Asks the system with `getent`, because not all groups are in /etc/group. */
async function findGroupId(group: string): Promise<number> {
  if (/^\d+$/.test(group)) return Number(group);
  const { execa } = await import('execa');
  const { exitCode, stdout } = await execa('getent', ['group', '--', group], { reject: false });
  const gid = exitCode === 0 ? Number(stdout.split(':')[2]) : Number.NaN;
  if (Number.isInteger(gid)) return gid;
  throw invalid(`there is no group '${group}'; make it with 'groupadd ${group}', or name another`);
}

function invalid(message: string, cause?: unknown): FathomError {
  return new FathomError('config.invalid', 'the configuration is not valid:', {
    cause,
    fields: [{ path: 'FATHOM_SOCKET_GROUP', message }],
  });
}
