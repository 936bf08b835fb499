import { JOURNAL_KEPT, type JournalEntry } from '../../shared/api/events.ts';
import { journalEntryOf } from '../../shared/journal.ts';
import type { Clock } from '../base/time/clock.ts';
import type { EventBus } from './bus.ts';

/** Keeps the last events of instances since the daemon started. */
export class Journal {
  readonly #entries: JournalEntry[] = [];

  constructor(bus: EventBus, clock: Clock) {
    bus.subscribe((event) => {
      const entry = journalEntryOf(event, clock.now().toISOString());
      if (entry === null) return;
      this.#entries.push(entry);
      if (this.#entries.length > JOURNAL_KEPT) this.#entries.shift();
    });
  }

  /** Lists the entries that match, oldest first. */
  listEntries(matches: (entry: JournalEntry) => boolean): JournalEntry[] {
    return this.#entries.filter(matches);
  }
}
