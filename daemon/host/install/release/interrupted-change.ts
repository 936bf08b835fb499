import { CURRENT, FALLBACK, PREVIOUS } from './layout.ts';
import { type Release, readLink } from './links.ts';

/** A change of releases that was interrupted, or is in progress. */
export interface InterruptedChange {
  current: Release;
  /** The release before the change. */
  fallback: Release;
  /** The release before `fallback`. */
  previous: Release | null;
}

/** Where the next command leads: `forward` for install and upgrade, `back` for rollback. */
export type Direction = 'forward' | 'back';

export async function readInterruptedChange(): Promise<InterruptedChange | null> {
  const [current, fallback, previous] = await Promise.all([
    readLink(CURRENT),
    readLink(FALLBACK),
    readLink(PREVIOUS),
  ]);
  return current && fallback ? { current, fallback, previous } : null;
}

/** Decides whether the next command finishes or undoes an interrupted change. */
export function chooseResolution(
  { current, fallback, previous }: InterruptedChange,
  direction: Direction,
): 'finish' | 'undo' {
  // The links name the former release already; the files of the host and the daemon can still be of the other one.
  if (current.name === fallback.name) return 'undo';
  // An interrupted rollback goes to the previous release, so `back` finishes it.
  return direction === 'forward' || current.name === previous?.name ? 'finish' : 'undo';
}

export const INTERRUPTED_CHANGE_REMEDY =
  "run 'fathomd install' to finish the change, or to undo it when the new release does not run; run 'fathomd rollback' to go back";

export function describeInterruptedChange({ current, fallback }: InterruptedChange): string {
  return current.name === fallback.name
    ? `a change of releases was interrupted; the current release is ${current.name}`
    : `the change from ${fallback.name} to ${current.name} was interrupted before ${current.name} was verified`;
}
