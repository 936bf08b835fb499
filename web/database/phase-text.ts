import type { Instance } from '../../shared/api/instances.ts';
import { type InstancePhase, isInTrouble } from '../../shared/instance.ts';
import { causeFor, type PhaseReasonCode, type RetryRule, ruleOf } from '../../shared/reasons.ts';

interface PhaseText {
  name: string;
  meaning: string;
}

const PHASES: Readonly<Record<InstancePhase, PhaseText>> = {
  stopped: { name: 'Stopped', meaning: 'Requests get no answer until it is started.' },
  queued: { name: 'Starting soon', meaning: 'It waits for its turn to start.' },
  starting: { name: 'Starting', meaning: 'Requests wait for a moment.' },
  running: { name: 'Running', meaning: 'It answers requests at its URL.' },
  unresponsive: { name: 'Does not answer', meaning: 'It is restarted if it does not answer soon.' },
  backing_off: { name: 'Waiting for a restart', meaning: 'It has ended, and starts again after a delay.' },
  stopping: { name: 'Stopping', meaning: 'Requests in progress end first.' },
  asleep: { name: 'Asleep', meaning: 'The next request at its URL wakes it. Nothing is lost.' },
  waking: { name: 'Waking', meaning: 'Requests wait for a moment.' },
  failed: { name: 'Failed', meaning: 'It does not start again by itself.' },
};

/** What an owner can do, where that is more than to wait. */
const OWNER_REMEDIES: Partial<Record<PhaseReasonCode, string>> = {
  requested: 'Start it when you need it.',
  idle: 'Nothing to do.',
  awake_limit: 'Nothing to do.',
  host_memory: 'Nothing to do.',
  archived: 'Nothing to do. The next request brings it back, and takes longer.',
  archive_unavailable:
    'Nothing is lost. It comes back by itself when its backup can be read again. If this goes on, ask an administrator.',
  over_memory: 'Look for requests that read very much at once, or ask an administrator for a higher limit.',
  sign_ins_failed: 'Nothing to do. You can sign in on this page in any case.',
  over_disk: 'Delete records or files, or ask an administrator for a higher limit.',
  near_disk_limit: 'Delete records or files, or ask an administrator for a higher limit.',
  database_corrupt: 'Restore a backup on the screen Backups, or ask an administrator.',
};

const REMEDIES: Readonly<Record<RetryRule, string>> = {
  on_request: 'Start it again later. If that does not help, ask an administrator.',
  limited: 'It is started again automatically. If this goes on, ask an administrator.',
  few: 'An administrator has to fix the cause.',
  until_gone: 'An administrator has to fix the cause. Then it works again by itself.',
};

export interface Explanation extends PhaseText {
  isTrouble: boolean;
  /** Null when there is nothing to explain. */
  reason: { cause: string; remedy: string } | null;
}

/** Explains the phase of a database to its owner. */
export function explainPhase(instance: Pick<Instance, 'phase' | 'reason' | 'desired'>): Explanation {
  const { phase, reason } = instance;
  const rule = reason === null ? null : ruleOf(reason.code);
  return {
    ...PHASES[phase],
    isTrouble: isInTrouble(instance),
    reason: reason &&
      rule && {
        cause: causeFor(reason.code),
        remedy: OWNER_REMEDIES[reason.code] ?? REMEDIES[rule.retry],
      },
  };
}
