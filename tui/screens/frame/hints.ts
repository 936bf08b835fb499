import { keyFor } from '../../keys/places.ts';
import type { Span } from '../../widgets/line.ts';

// Texts that name a key and appear on several screens.

export const SHOW_ALL = `${keyFor('back')} shows all rows again.`;
export const NO_MATCH = `No row matches the filter. ${SHOW_ALL}`;
export const NO_PROBLEMS = `✓ No instance has a problem. ${keyFor('problems.only')} shows all instances.`;

/** An error of a request, and the key that tries it again. */
export function loadError(error: string): string {
  return `✗ ${error} · ${keyFor('refresh')} tries again`;
}

/** In the place of rows that are not there yet: why they cannot be loaded, or what is being loaded. */
export function loadingSpan(page: { error: string | null } | null, words: string): Span {
  return page?.error ? ['bad', loadError(page.error)] : ['busy', `◌ ${words}`];
}
