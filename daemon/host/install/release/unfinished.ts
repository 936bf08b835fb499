import { CURRENT, FALLBACK, PREVIOUS } from './layout.ts';
import { linked, type Release } from './links.ts';

/** A change of releases that did not come to its end, or is under way. */
export interface Unfinished {
  current: Release;
  /** What ran before the change. */
  fallback: Release;
  /** What ran before that. */
  previous: Release | null;
}

export async function unfinished(): Promise<Unfinished | null> {
  const [current, fallback, previous] = await Promise.all([
    linked(CURRENT),
    linked(FALLBACK),
    linked(PREVIOUS),
  ]);
  return current && fallback ? { current, fallback, previous } : null;
}

/** What a change that was interrupted is brought to, by a command that wants to go forward, or back. */
export function settlement(
  { current, fallback, previous }: Unfinished,
  wish: 'forward' | 'back',
): 'finish' | 'undo' {
  // The links say what ran before; the host's files, and the daemon, may still be the other one's.
  if (current.name === fallback.name) return 'undo';
  // Back is where it went, when it went to the release before.
  return wish === 'forward' || current.name === previous?.name ? 'finish' : 'undo';
}

/** What to do about it. */
export const WAYS_TO_SETTLE =
  "'fathomd install' finishes it, or undoes it if it cannot be finished; 'fathomd rollback' goes back";

/** What was interrupted. */
export function describeUnfinished({ current, fallback }: Unfinished): string {
  return current.name === fallback.name
    ? `a change of releases was interrupted while ${current.name} was in place`
    : `the change from ${fallback.name} to ${current.name} was interrupted before ${current.name} had proven itself`;
}
