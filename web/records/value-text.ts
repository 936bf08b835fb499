import type { Collection, DatabaseRecord } from '../../shared/api/databases.ts';

/** What the daemon sends instead of a secret. */
const REDACTED = '[redacted]';
const PREVIEW_VALUES = 2;
const PREVIEW_CHARACTERS = 60;

/** Types of PocketBase whose values are names or ids, one or several. */
const LIST_TYPES = new Set(['file', 'relation', 'select']);
const TIME_TYPES = new Set(['date', 'autodate']);
const PREVIEW_TYPES = new Set(['text', 'email', 'url', 'number', 'select', 'file']);

export type ShownValue =
  | { kind: 'empty' }
  | { kind: 'hidden' }
  | { kind: 'time'; at: string }
  | { kind: 'list'; items: readonly string[] }
  | { kind: 'text' | 'code'; text: string };

/** How a value of a record is shown. Its content is never more than text. */
export function shownValue(value: unknown, type: string): ShownValue {
  if (value === REDACTED) return { kind: 'hidden' };
  if (value === null || value === undefined || value === '') return { kind: 'empty' };
  if (Array.isArray(value) && value.length === 0) return { kind: 'empty' };
  if (LIST_TYPES.has(type)) return { kind: 'list', items: [value].flat().map(String) };
  if (typeof value === 'object') return { kind: 'code', text: JSON.stringify(value, null, 2) };
  const text = typeof value === 'string' ? value : JSON.stringify(value);
  if (TIME_TYPES.has(type) && !Number.isNaN(Date.parse(text))) return { kind: 'time', at: text };
  return { kind: 'text', text };
}

/** The beginning of a text, without half of a character. */
export function beginOf(text: string, characters: number): string {
  return text.slice(0, characters).replace(/[\uD800-\uDBFF]$/, '');
}

/** The first values of a record that tell it from the others. */
export function previewOf(
  record: DatabaseRecord,
  fields: Collection['fields'],
): { name: string; text: string }[] {
  return fields
    .filter(({ name, type }) => name !== 'id' && PREVIEW_TYPES.has(type))
    .flatMap(({ name, type }) => {
      const shown = shownValue(record[name], type);
      if (shown.kind === 'text') return [{ name, text: shown.text }];
      return shown.kind === 'list' ? [{ name, text: shown.items.join(', ') }] : [];
    })
    .slice(0, PREVIEW_VALUES)
    .map(({ name, text }) => ({
      name,
      text: text.length > PREVIEW_CHARACTERS ? `${beginOf(text, PREVIEW_CHARACTERS)}…` : text,
    }));
}
