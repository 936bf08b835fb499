import { sanitise } from '../store/words/sanitise.ts';

/**
 * A value as indented JSON, line by line. JSON escapes what moves a cursor; the rest that a terminal would obey goes, and
 * keys are others' text as well.
 */
export function jsonLines(value: unknown): string[] {
  return (JSON.stringify(value, null, 2) ?? 'null').split('\n').map(sanitise);
}
