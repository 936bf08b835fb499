import type { SnapshotPart } from '../server-frames.ts';

/**
 * The state of the topics of one connection.
 *
 *   wanted ── subscribe sent ──▶ awaiting ── snapshot(seq) ──▶ following ── event(seq + 1) ──▶ following
 *                                                                  ── next part (seq + 1) ──▶ following
 *                                   ▲                              │
 *                                   └── re-subscribe ◀── any other seq
 *
 * Events are applied only while following: never before the snapshot or after a gap.
 */
export type Verdict = 'apply' | 'ignore' | 'gap';

type Position =
  | { state: 'awaiting' }
  | { state: 'following'; seq: number; isComplete: boolean }
  | { state: 'refused' };

export class TopicTracker {
  readonly #topics = new Map<string, Position>();

  await(topic: string): void {
    this.#topics.set(topic, { state: 'awaiting' });
  }

  forget(topic: string): void {
    this.#topics.delete(topic);
  }

  /** The daemon refused this topic, for example because the instance does not exist. */
  refuse(topic: string): void {
    if (this.#topics.has(topic)) this.#topics.set(topic, { state: 'refused' });
  }

  clear(): void {
    this.#topics.clear();
  }

  snapshot(topic: string, seq: number, { part = 1, last = true }: Partial<SnapshotPart> = {}): Verdict {
    const position = this.#topics.get(topic);
    if (position === undefined) return 'ignore';
    if (part > 1) {
      if (position.state !== 'following') return 'ignore';
      if (seq !== position.seq + 1) return 'gap';
    }
    this.#topics.set(topic, { state: 'following', seq, isComplete: last });
    return 'apply';
  }

  event(topic: string, seq: number): Verdict {
    const position = this.#topics.get(topic);
    if (position?.state !== 'following') return 'ignore';
    if (seq !== position.seq + 1) return 'gap';
    position.seq = seq;
    return 'apply';
  }

  /** Whether every topic has its complete snapshot or was refused. */
  get settled(): boolean {
    return Array.from(this.#topics.values()).every(
      (position) => position.state === 'refused' || (position.state === 'following' && position.isComplete),
    );
  }
}
