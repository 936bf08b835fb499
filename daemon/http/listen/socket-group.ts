import { chmod, chown, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { FathomError, messageOf } from '../../../shared/errors.ts';

const ENTER_BY_GROUP = 0o010;
const ENTER_BY_ALL = 0o001;

/**
 * Gives the socket, and the way into its directory, to a group.
 *
 * @throws FathomError `config.invalid` when there is no such group, or this user may not give files to it
 */
export async function openToGroup(path: string, group: string): Promise<void> {
  const gid = await groupId(group);
  const directory = dirname(path);
  const { mode, gid: owner } = await stat(directory);
  try {
    await give(path, gid);
    const entered = (mode & ENTER_BY_ALL) !== 0 || (owner === gid && (mode & ENTER_BY_GROUP) !== 0);
    if (entered) return;
    await give(directory, gid);
    await chmod(directory, (mode & 0o700) | ENTER_BY_GROUP);
  } catch (error) {
    throw invalid(
      `'${group}' cannot be given ${path} (${messageOf(error)}); make the user that runs fathomd a member of it`,
      error,
    );
  }
}

function give(path: string, gid: number): Promise<void> {
  return chown(path, process.getuid?.() ?? -1, gid);
}

/** Asked of the system, which may know groups that stand in no file. */
async function groupId(group: string): Promise<number> {
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
