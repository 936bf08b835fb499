import type { JournalEntry } from './api/events.ts';
import type { FleetEvent } from './events.ts';
import { isSleepReason } from './instance.ts';

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
      // `asleep` has the same reason, and `wake` the cause: a database that sleeps and wakes often has fewer entries.
      const isBetween = to === 'stopping' ? isSleepReason(reason) : from === 'asleep' && to === 'waking';
      if (isBetween) return null;
      const why = reason === null ? null : { code: reason.code, message: reason.message };
      return { at, name, kind: 'phase', from, to, reason: why, last_exit };
    }
    case 'instance.wake': {
      const { at, name, by } = event;
      return { at, name, kind: 'wake', by, from: 'asleep', to: 'waking', reason: null, last_exit: null };
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
