import type { FleetEvent } from './events.ts';
import type { InstancePhase, LastExit, PhaseReason } from './instance.ts';

/** Number of entries that the daemon keeps: a few for each of a thousand instances, about 300 bytes each. */
export const JOURNAL_KEPT = 5_000;

/** An event in the life of an instance. Measurements are not recorded. */
export interface JournalEntry {
  at: string;
  name: string;
  kind: 'added' | 'phase' | 'moved' | 'removed';
  from: InstancePhase | null;
  to: InstancePhase | null;
  /** Why the instance is in this phase; null when there is nothing to explain. */
  reason: Pick<PhaseReason, 'code' | 'message'> | null;
  last_exit: LastExit | null;
}

/** The journal entry for an event; null for measurements. `now` is the time of events without a time of their own. */
export function journalEntryOf(event: FleetEvent, now: string): JournalEntry | null {
  switch (event.kind) {
    case 'instance.added': {
      const { name, phase } = event.instance;
      return { at: now, name, kind: 'added', from: null, to: phase, reason: null, last_exit: null };
    }
    case 'instance.phase': {
      const { at, name, from, to, instance } = event;
      const { reason, last_exit } = instance;
      const why = reason === null ? null : { code: reason.code, message: reason.message };
      return { at, name, kind: 'phase', from, to, reason: why, last_exit };
    }
    case 'instance.moved': {
      const { at, name, from, to } = event;
      const reason = {
        code: 'port_in_use' as const,
        message: `from port ${from}, which is in use, to port ${to}`,
      };
      return { at, name, kind: 'moved', from: null, to: null, reason, last_exit: null };
    }
    case 'instance.removed':
      return {
        at: now,
        name: event.name,
        kind: 'removed',
        from: null,
        to: null,
        reason: null,
        last_exit: null,
      };
    default:
      return null;
  }
}
