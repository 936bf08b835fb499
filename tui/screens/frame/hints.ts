import { keyFor } from '../../keys/places.ts';

// Texts that name a key and appear on several screens.

export const SHOW_ALL = `${keyFor('back')} shows all rows again.`;
export const NO_MATCH = `No row matches the filter. ${SHOW_ALL}`;
export const NO_PROBLEMS = `✓ No instance has a problem. ${keyFor('problems.only')} shows all instances.`;

/** An error of a request, and the key that tries it again. */
export function loadError(error: string): string {
  return `✗ ${error} · ${keyFor('refresh')} tries again`;
}
