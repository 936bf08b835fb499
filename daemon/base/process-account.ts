import { lstatSync, realpathSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import { FathomError } from '../../shared/errors.ts';

export interface Account {
  uid: number;
  gid: number;
}

/** The account `nobody`: it owns no files. */
const UNPRIVILEGED: Account = { uid: 65_534, gid: 65_534 };
const OTHERS_CAN_WRITE = 0o022;
const STICKY = 0o1000;

/**
 * As root, changes this process to the owner of the data directory, for good. In the directory of another account, root
 * would follow links that this account created, and would run its programs. Read the settings first: only root can read
 * the secrets.
 *
 * The kernel makes such a process non-dumpable, so the account can read neither its memory nor its environment.
 */
export function becomeOwner(dataDir: string): void {
  const owner = findOtherOwner(dataDir);
  if (owner === null) return;
  // The account may be unable to use the working directory, and every child process starts there.
  process.chdir('/');
  process.setgroups?.([owner.gid]);
  process.setgid?.(owner.gid);
  process.setuid?.(owner.uid);
  if (process.getuid?.() !== owner.uid || process.geteuid?.() !== owner.uid) {
    throw new FathomError(
      'internal',
      `cannot change to the user with uid ${owner.uid}; run this as that user`,
    );
  }
}

/**
 * Rejects a daemon or worker of root in the data directory of another account.
 *
 * @throws FathomError `auth.forbidden`
 */
export function refuseRootIn(dataDir: string): void {
  const owner = findOtherOwner(dataDir);
  if (owner === null) return;
  throw new FathomError(
    'auth.forbidden',
    `root must not run Fathom in ${dataDir}, which belongs to the user with uid ${owner.uid}: that user could take over the host; run 'systemctl start fathomd', or run this as that user`,
  );
}

/**
 * The account that can replace a file, through the file or one of its directories. Null when only root can, and when this
 * process is not root. Root runs such a program as this account.
 *
 * @param file an existing file
 */
export function findWriter(file: string): Account | null {
  if (process.getuid?.() !== 0) return null;
  for (let path = realpathSync(file); ; path = dirname(path)) {
    const { uid, gid, mode } = lstatSync(path);
    if (uid !== 0) return { uid, gid };
    if ((mode & OTHERS_CAN_WRITE) !== 0 && (mode & STICKY) === 0) return UNPRIVILEGED;
    if (path === '/') return null;
  }
}

/** Null when this process is not root, or root owns the directory, or it does not exist. */
function findOtherOwner(directory: string): Account | null {
  if (process.getuid?.() !== 0) return null;
  const owner = statSync(directory, { throwIfNoEntry: false });
  return owner === undefined || owner.uid === 0 ? null : { uid: owner.uid, gid: owner.gid };
}
