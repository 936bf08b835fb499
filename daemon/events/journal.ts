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
  /** Instances by their number of entries. */
  readonly #byCount = new Map<number, Set<string>>();
  #maxCount = 0;

  /** Whether the daemon still adds the instances that existed before its start. */
  #isLoading = true;

  constructor(bus: EventBus, clock: Clock) {
    bus.subscribe((event) => {
      // A start adds all databases, which is no news and would push out events. Those that sleep have done so before.
      const isAll =
        event.kind === 'instance.added' || (event.kind === 'instance.phase' && event.to === 'asleep');
      if (isAll && this.#isLoading) return;
      const entry = journalEntryOf(event, clock.now().toISOString());
      if (entry !== null) this.#add(entry);
    });
  }

  /** All instances of before the start are known: later ones are news. */
  noteLoaded(): void {
    this.#isLoading = false;
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
    const [name = ''] = this.#byCount.get(this.#maxCount) ?? [];
    return name;
  }

  #removeOldestOf(name: string): void {
    this.#entries.splice(
      this.#entries.findIndex((entry) => entry.name === name),
      1,
    );
    this.#count(name, -1);
  }

  /** @param change 1 or -1 */
  #count(name: string, change: number): void {
    const before = this.#counts.get(name) ?? 0;
    const count = before + change;
    const others = this.#byCount.get(before);
    others?.delete(name);
    if (others?.size === 0) this.#byCount.delete(before);
    if (count > 0) {
      this.#counts.set(name, count);
      this.#byCount.set(count, (this.#byCount.get(count) ?? new Set()).add(name));
    } else this.#counts.delete(name);
    this.#maxCount = Math.max(this.#maxCount, count);
    if (!this.#byCount.has(this.#maxCount)) this.#maxCount -= 1;
  }
}
