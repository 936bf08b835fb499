import { messageOf } from '../../../shared/errors.ts';
import { isDiskFull, systemErrorCode } from '../../base/files/dir.ts';
import { BackupProblem } from '../backup-problem.ts';

/** Why a target cannot be used, and what to do. */
const NEXT_STEPS = {
  credentials: 'correct the credentials',
  missing: 'create it, or correct BACKUP_TARGET',
  untrusted: 'compare the key or certificate of the server with its administrator before you accept it',
  away: 'check the network and that the server runs; backups continue when it answers again',
  slow: 'check the network and the load of the server; backups continue when it answers again',
  full: 'free space there, or keep fewer backups (BACKUP_KEEP)',
  refused: 'correct the permissions or options of the target',
  locked: 'Fathom tries again by itself',
} as const;

export type TargetReason = keyof typeof NEXT_STEPS;

/** A target cannot be used now. The message says which, why, and what to do. */
export class TargetProblem extends BackupProblem {
  readonly reason: TargetReason;
  /** The message without the next step. */
  readonly summary: string;
  readonly nextStep: string;

  /**
   * @param where names the target, without secrets
   * @param what happened, as in 'does not answer (ECONNREFUSED)'
   */
  constructor(
    reason: TargetReason,
    where: string,
    what: string,
    { nextStep = NEXT_STEPS[reason], cause }: { nextStep?: string; cause?: unknown } = {},
  ) {
    const summary = `the backup target ${where} ${what}`;
    super(`${summary}; ${nextStep}`, { cause });
    this.reason = reason;
    this.summary = summary;
    this.nextStep = nextStep;
  }
}

/** A target with object lock keeps an object. */
export class LockedObject extends TargetProblem {
  /** When the lock ends; null for a lock that a person ends. */
  readonly until: Date | null;

  constructor(where: string, key: string, until: Date | null, options: { cause: unknown }) {
    const end = until === null ? 'until its legal hold is removed' : `until ${until.toISOString()}`;
    super('locked', where, `keeps ${key} ${end} (object lock); it is hidden, and not deleted`, options);
    this.until = until;
  }
}

/** Codes of system calls and of Node's network, with the reason that they mean. */
const REASONS: Readonly<Record<string, TargetReason>> = {
  EACCES: 'refused',
  EPERM: 'refused',
  EROFS: 'refused',
  ECONNREFUSED: 'away',
  ECONNRESET: 'away',
  EPIPE: 'away',
  EHOSTUNREACH: 'away',
  ENETUNREACH: 'away',
  EHOSTDOWN: 'away',
  ENOTFOUND: 'away',
  EAI_AGAIN: 'away',
  ENOTCONN: 'away',
  ESTALE: 'away',
  EIO: 'away',
  ETIMEDOUT: 'slow',
};

const SENTENCES: Readonly<Record<TargetReason, string>> = {
  credentials: 'does not accept the credentials',
  missing: 'does not exist',
  untrusted: 'is not trusted',
  away: 'does not answer',
  slow: 'does not answer in time',
  full: 'is full',
  refused: 'refuses the operation',
  locked: 'refuses the operation',
};

/**
 * Names the failure of a system call or of a connection. Null for an error of another kind.
 *
 * @param nextSteps those that are not the usual ones
 */
export function problemOfSystem(
  where: string,
  error: unknown,
  nextSteps: Partial<Readonly<Record<TargetReason, string>>> = {},
): TargetProblem | null {
  const code = systemErrorCode(error);
  const reason = isDiskFull(error) ? 'full' : REASONS[code ?? ''];
  return reason === undefined ? null : problemOf(reason, where, error, nextSteps[reason]);
}

/** @param nextStep if it is not the usual one of the reason */
export function problemOf(
  reason: TargetReason,
  where: string,
  error: unknown,
  nextStep?: string,
): TargetProblem {
  const options = { cause: error, ...(nextStep === undefined ? {} : { nextStep }) };
  return new TargetProblem(reason, where, `${SENTENCES[reason]} (${messageOf(error)})`, options);
}
