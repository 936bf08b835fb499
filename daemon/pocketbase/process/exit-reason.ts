import type { PhaseReason } from '../../../shared/api/instances.ts';
import type { PhaseReasonCode } from '../../../shared/reasons.ts';
import { LOCKED_EXIT_CODE } from './command.ts';
import { hookFailure } from './hook-failure.ts';
import { describeFailure, migrationFailure } from './migrate.ts';
import type { ProcessExit } from './process-driver.ts';

interface Symptom {
  code: PhaseReasonCode;
  pattern: RegExp;
  /** @param next the end of the remedy, see `restartHint` */
  message: (match: RegExpExecArray, next: string) => string;
}

/** The end of a remedy: how the instance starts again after the cause is fixed. The global instance is always restarted. */
export function restartHint({ name, kind }: { name: string; kind: 'global' | 'user' }): string {
  return kind === 'global' ? 'it then starts by itself' : `then run 'fathomd databases start ${name}'`;
}

/**
 * Output of PocketBase before it exits, with the reason and its remedy. The exit code is not enough: up to 0.39, a port in
 * use and a failed migration both exit 0.
 */
const SYMPTOMS: readonly Symptom[] = [
  {
    code: 'port_in_use',
    pattern: /listen tcp \S*?:(\d+): bind: address already in use/,
    message: ([, port]) => `another process uses port ${port}`,
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
      "the settings cannot be decrypted: PB_ENCRYPTION_KEY is not the key of this database; 'fathomd doctor' shows where it is set",
  },
  {
    code: 'disk_full',
    // 4874 is SQLITE_IOERR_SHMSIZE: no space for the index of the write-ahead log, which each start creates.
    pattern: /no space left on device|database or disk is full|SQLITE_FULL|disk I\/O error \(4874\)/i,
    message: () => 'the disk is full; free some space, the instance then starts by itself',
  },
  {
    code: 'read_only',
    pattern: /read-only file system|SQLITE_READONLY_DIRECTORY/i,
    message: () =>
      "the file system is read-only; find the cause with 'dmesg', then run 'mount -o remount,rw' on it; the instance then starts by itself",
  },
  {
    code: 'out_of_files',
    pattern: /too many open files/i,
    message: () =>
      'no file descriptors are left; raise LimitNOFILE of the daemon, the instance then starts by itself',
  },
  {
    code: 'permission_denied',
    pattern: /permission denied|readonly database|SQLITE_READONLY|unable to open database file/i,
    message: () => 'this user cannot read and write the data directory; fix its owner and mode',
  },
];

/** Since 0.40, PocketBase reports a panic of a migration as an error, with the stack below it. */
const PANIC = /^(?:panic|fatal error): |failed to apply migration .*recovered from panic: /;

/** Log lines that are kept with a reason. */
const TAIL_LINES = 8;

/**
 * Why a process ended that was not asked to stop.
 *
 * @param lines the output of this run
 */
export function exitReason(
  exit: ProcessExit,
  lines: readonly string[],
  instance: { name: string; kind: 'global' | 'user' },
): PhaseReason {
  // The message of a panic is above its long stack.
  const panic = lines.findIndex((line) => PANIC.test(line));
  const tail = panic === -1 ? lines.slice(-TAIL_LINES) : lines.slice(panic, panic + TAIL_LINES);
  const withTail = (reason: PhaseReason): PhaseReason =>
    tail.length === 0 ? reason : { ...reason, log_tail: [...tail] };

  if (exit.code === LOCKED_EXIT_CODE) {
    return withTail({
      code: 'data_dir_locked',
      message:
        'another process holds the lock on the data directory; stop it, the instance then starts by itself',
    });
  }
  if (exit.isOutOfMemory) {
    return withTail({
      code: 'over_memory',
      message: `it used much more memory than its limit, so the kernel ended the process; find the requests with 'fathomd logs ${instance.name} --source requests', or raise the limit with 'fathomd databases set ${instance.name} --memory-mb N'`,
    });
  }
  // The output is not the reason then.
  if (exit.signal !== null) {
    const hint =
      exit.signal === 'SIGKILL' ? " (by a user, or by the kernel when memory ran out: see 'dmesg')" : '';
    return withTail({ code: 'killed', message: `killed by ${exit.signal}${hint}` });
  }
  const text = tail.join('\n');
  const migration = migrationFailure(text);
  if (migration) {
    const failure = migration.code === 'migration_broken' ? 'does not load' : 'failed';
    const message = `a migration ${failure}: ${describeFailure(migration)}; fix it, ${restartHint(instance)}`;
    return withTail({ code: migration.code, message });
  }
  const hook = hookFailure(text);
  if (hook) {
    const message = `a hook does not load: ${describeFailure(hook)}; fix it, ${restartHint(instance)}`;
    return withTail({ code: 'hook_broken', message });
  }
  for (const { code, pattern, message } of SYMPTOMS) {
    const match = pattern.exec(text);
    if (match) return withTail({ code, message: message(match, restartHint(instance)) });
  }
  if (exit.code === null) return withTail({ code: 'exited', message: 'the process has ended' });
  const last = panic === -1 ? tail.findLast((line) => line.trim() !== '') : tail[0];
  return withTail({
    code: 'exited',
    message: last === undefined ? `exit ${exit.code}` : `exit ${exit.code} · ${last.trim().slice(0, 160)}`,
  });
}
