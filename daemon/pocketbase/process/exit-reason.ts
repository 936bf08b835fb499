import type { PhaseReason, PhaseReasonCode } from '../../../shared/instance.ts';
import { LOCKED_EXIT_CODE } from './command.ts';
import { describeFailure, migrationFailure } from './migrate.ts';
import { onceMended } from './once-mended.ts';
import type { ProcessExit } from './process-driver.ts';

interface Symptom {
  code: PhaseReasonCode;
  pattern: RegExp;
  /** `next` is what starts the instance again when its cause is mended. */
  message: (match: RegExpExecArray, next: string) => string;
}

/**
 * What PocketBase prints before it gives up, told as a sentence with the way out. Its exit code says little: up to
 * 0.39 a port in use and a failed migration both exit 0.
 */
const SYMPTOMS: readonly Symptom[] = [
  {
    code: 'port_in_use',
    pattern: /listen tcp \S*?:(\d+): bind: address already in use/,
    message: ([, port]) => `port ${port}: address in use by another process`,
  },
  {
    code: 'hook_broken',
    pattern: /failed to execute (\S+\.pb\.js):?\s*(?:- )?(.*)/,
    message: ([, file, why], next) => `hook ${file} is broken: ${why}; correct it, ${next}`,
  },
  {
    code: 'database_corrupt',
    pattern: /file is not a database|database disk image is malformed|SQLITE_CORRUPT|SQLITE_NOTADB/i,
    message: (_match, next) => `the database file is corrupt; restore pb_data from a backup, ${next}`,
  },
  {
    code: 'encryption_key_wrong',
    pattern: /invalid settings db data or missing encryption key|cipher: message authentication failed/,
    message: () =>
      "the settings cannot be decrypted; PB_ENCRYPTION_KEY is not the one this database was made with, 'fathomd doctor' says where it stands",
  },
  {
    code: 'disk_full',
    // 4874 is SQLITE_IOERR_SHMSIZE: there is no room for the index of the write-ahead log, which each start makes.
    pattern: /no space left on device|database or disk is full|SQLITE_FULL|disk I\/O error \(4874\)/i,
    message: () => 'the disk is full; free some space, the instance then comes back by itself',
  },
  {
    code: 'read_only',
    pattern: /read-only file system|SQLITE_READONLY_DIRECTORY/i,
    message: () =>
      "the file system is read-only; see 'dmesg' for why, then 'mount -o remount,rw' it; the instance then comes back by itself",
  },
  {
    code: 'out_of_files',
    pattern: /too many open files/i,
    message: () =>
      'no file descriptors are left; raise LimitNOFILE of the daemon, the instance then comes back by itself',
  },
  {
    code: 'permission_denied',
    pattern: /permission denied|readonly database|SQLITE_READONLY|unable to open database file/i,
    message: () => 'the data directory cannot be read and written by this user; correct its owner and mode',
  },
];

/** Lines kept with a reason. */
const TAIL_LINES = 8;

/** Why a process that nobody asked to stop is gone. `lines` is what it printed in this run. */
export function exitReason(
  exit: ProcessExit,
  lines: readonly string[],
  instance: { name: string; kind: 'global' | 'user' },
): PhaseReason {
  // A panic ends in a long stack; what it says stands at its head.
  const panic = lines.findIndex((line) => /^(?:panic|fatal error): /.test(line));
  const tail = panic === -1 ? lines.slice(-TAIL_LINES) : lines.slice(panic, panic + TAIL_LINES);
  const withTail = (reason: PhaseReason): PhaseReason =>
    tail.length === 0 ? reason : { ...reason, log_tail: [...tail] };

  if (exit.code === LOCKED_EXIT_CODE) {
    return withTail({
      code: 'data_dir_locked',
      message:
        'another process holds the lock on the data directory; end it, the instance then starts by itself',
    });
  }
  // Whatever it printed before, that was not what ended it.
  if (exit.signal !== null) {
    const hint =
      exit.signal === 'SIGKILL' ? ' (by a person, or by the kernel for want of memory: see dmesg)' : '';
    return withTail({ code: 'killed', message: `killed by ${exit.signal}${hint}` });
  }
  const text = tail.join('\n');
  const migration = migrationFailure(text);
  if (migration) {
    const what = migration.code === 'migration_broken' ? 'does not load' : 'failed';
    const message = `a migration ${what}: ${describeFailure(migration)}; correct it, ${onceMended(instance)}`;
    return withTail({ code: migration.code, message });
  }
  for (const { code, pattern, message } of SYMPTOMS) {
    const match = pattern.exec(text);
    if (match) return withTail({ code, message: message(match, onceMended(instance)) });
  }
  if (exit.code === null) return withTail({ code: 'exited', message: 'the process is gone' });
  const last = panic === -1 ? tail.findLast((line) => line.trim() !== '') : tail[0];
  return withTail({
    code: 'exited',
    message: last === undefined ? `exit ${exit.code}` : `exit ${exit.code} · ${last.trim().slice(0, 160)}`,
  });
}
