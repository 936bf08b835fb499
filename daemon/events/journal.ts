import { JOURNAL_KEPT, JOURNAL_KEPT_PER_INSTANCE, type JournalEntry } from '../../shared/api/events.ts';
import { journalEntryOf } from '../../shared/journal.ts';
import type { Clock } from '../base/time/clock.ts';
import type { EventBus } from './bus.ts';

/**
 * Keeps the last events of instances since the daemon started. When it is full, the instance with the most events loses its
 * oldest one: an instance that restarts all the time cannot push out the events of others.
 */
export class Journal {
  readonly #entries: JournalEntry[] = [];
  readonly #counts = new Map<string, number>();

  constructor(bus: EventBus, clock: Clock) {
    bus.subscribe((event) => {
      const entry = journalEntryOf(event, clock.now().toISOString());
      if (entry !== null) this.#add(entry);
    });
  }

  /** Lists the entries that match, oldest first. */
  listEntries(matches: (entry: JournalEntry) => boolean): JournalEntry[] {
    return this.#entries.filter(matches);
  }

  #add(entry: JournalEntry): void {
    this.#entries.push(entry);
    this.#count(entry.name, 1);
    if ((this.#counts.get(entry.name) ?? 0) > JOURNAL_KEPT_PER_INSTANCE) this.#removeOldestOf(entry.name);
    if (this.#entries.length > JOURNAL_KEPT) this.#removeOldestOf(this.#mostFrequent());
  }

  #mostFrequent(): string {
    let [most, count] = ['', 0];
    for (const [name, entries] of this.#counts) if (entries > count) [most, count] = [name, entries];
    return most;
  }

  #removeOldestOf(name: string): void {
    this.#entries.splice(
      this.#entries.findIndex((entry) => entry.name === name),
      1,
    );
    this.#count(name, -1);
  }

  #count(name: string, change: number): void {
    const count = (this.#counts.get(name) ?? 0) + change;
    if (count > 0) this.#counts.set(name, count);
    else this.#counts.delete(name);
  }
}
