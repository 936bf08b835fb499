import { execFileSync } from 'node:child_process';
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
/** The accounts may come from a server. */
const GETENT_TIMEOUT_MS = 5_000;
const STICKY = 0o1000;

/**
 * As root, changes this process to the owner of the data directory, for good. In the directory of another account, root
 * would follow links that this account created, and would run its programs. Read the settings first: only root can read
 * the secrets.
 *
 * The kernel makes such a process non-dumpable, so the account can read neither its memory nor its environment.
 */
export function becomeOwner(dataDir: string): void {
  const directory = findOtherOwner(dataDir);
  if (directory === null) return;
  const owner = accountOf(directory);
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
    if (uid !== 0) return accountOf({ uid, gid });
    if ((mode & OTHERS_CAN_WRITE) !== 0 && (mode & STICKY) === 0) return UNPRIVILEGED;
    if (path === '/') return null;
  }
}

/** The account that owns a file, with its primary group. The group of the file can be one without the account, like root. */
function accountOf({ uid, gid }: Account): Account {
  const primary = primaryGroup(uid);
  return { uid, gid: primary ?? (gid === 0 ? UNPRIVILEGED.gid : gid) };
}

/** Null for a user without an account, and without getent(1). */
function primaryGroup(uid: number): number | null {
  try {
    const entry = execFileSync('getent', ['passwd', String(uid)], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
      timeout: GETENT_TIMEOUT_MS,
    });
    return groupInEntry(entry, uid);
  } catch {
    return null;
  }
}

/** The fourth field of an entry of passwd(5), if it is an entry of `uid`. */
export function groupInEntry(entry: string, uid: number): number | null {
  const [, , user = '', group = ''] = entry.split(':');
  return user === String(uid) && /^\d+$/.test(group) ? Number(group) : null;
}

/** Null when this process is not root, or root owns the directory, or it does not exist. */
function findOtherOwner(directory: string): Account | null {
  if (process.getuid?.() !== 0) return null;
  const owner = statSync(directory, { throwIfNoEntry: false });
  return owner === undefined || owner.uid === 0 ? null : { uid: owner.uid, gid: owner.gid };
}
