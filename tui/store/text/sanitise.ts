/* oxlint-disable no-control-regex -- finds control characters on purpose */

const MAX_LENGTH = 8_192;

// Operating system commands and device control strings are removed with their payload, which is not text. A sequence
// without an end does not match: it would hide the rest of the line.
const STRING_SEQUENCE =
  /(?:\u001B[\]PX^_]|[\u009D\u0090\u0098\u009E\u009F])[^\u0007\u001B\u009C]*(?:\u0007|\u001B\\|\u009C)/g;
const CONTROL_SEQUENCE = /(?:\u001B\[|\u009B)[0-?]*[ -/]*[@-~]?/g;
const ESCAPE = /\u001B[ -/]*[0-~]?/g;
// C0, DEL and C1; line and paragraph separators; bidirectional overrides, which reorder the text after them.
const CONTROL = /[\u0000-\u001F\u007F-\u009F\u2028\u2029\u061C\u200E\u200F\u202A-\u202E\u2066-\u2069\uFEFF]/g;
const SUSPECT = /[^\u0020-\u007E]/;

/**
 * Makes untrusted text safe to show on one line of a terminal. Removes control sequences and all other characters that
 * move the cursor or reorder text, replaces tabs by spaces, and cuts text after 8,192 characters.
 */
export function sanitise(text: string): string {
  const bounded = text.length > MAX_LENGTH ? `${text.slice(0, MAX_LENGTH)}…` : text;
  if (!SUSPECT.test(bounded)) return bounded;
  return bounded
    .toWellFormed()
    .replace(STRING_SEQUENCE, '')
    .replace(CONTROL_SEQUENCE, '')
    .replace(ESCAPE, '')
    .replace(/\t/g, '  ')
    .replace(/[\r\n]+(?=.)/g, ' ')
    .replace(CONTROL, '');
}

/** Sanitises all strings in a value, at any depth. Keys stay unchanged, because they are never shown. */
export function sanitiseAll<T>(value: T): T {
  return sanitiseValue(value) as T;
}

/** Copies only values that change: a snapshot of a thousand instances rarely contains any. */
function sanitiseValue(value: unknown): unknown {
  if (typeof value === 'string') return sanitise(value);
  if (typeof value !== 'object' || value === null) return value;
  let copy: Record<string, unknown> | undefined;
  for (const key in value) {
    const part = (value as Record<string, unknown>)[key];
    const clean = sanitiseValue(part);
    if (clean === part) continue;
    copy ??= (Array.isArray(value) ? [...value] : { ...value }) as Record<string, unknown>;
    copy[key] = clean;
  }
  return copy ?? value;
}
