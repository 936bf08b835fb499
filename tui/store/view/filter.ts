import type { Instance } from '../../../shared/api/instances.ts';
import { phaseText } from '../text/reason.ts';

/**
 * Builds a filter for texts: they must contain every word of the query, and no word that starts with `!`. Case is ignored.
 *
 * @returns null if the query matches every text
 */
export function wordFilter(query: string): ((text: string) => boolean) | null {
  const words = query
    .toLowerCase()
    .split(/\s+/)
    .filter((word) => word !== '' && word !== '!');
  if (words.length === 0) return null;
  return (text) => {
    const lower = text.toLowerCase();
    return words.every((word) =>
      word.startsWith('!') ? !lower.includes(word.slice(1)) : lower.includes(word),
    );
  };
}

/** Filters by name, owner, phase, reason and port. */
export function filterInstances(instances: readonly Instance[], query: string): readonly Instance[] {
  const matches = wordFilter(query);
  return matches === null ? instances : instances.filter((instance) => matches(searchText(instance)));
}

function searchText({ name, email, phase, reason, port }: Instance): string {
  const why = reason === null ? '' : `${reason.code} ${reason.message}`;
  const address = port === null ? '' : `:${port}`;
  return [name, email ?? '', phase, phaseText(phase), why, address].join('\n');
}
