/* oxlint-disable no-control-regex -- finding control characters is what this file is for */

const MAX_LENGTH = 8_192;

// The payload of an operating system command or a device control string goes with it: it is not text. One without
// its end is not taken for one, or it could hide the rest of a line.
const STRING_SEQUENCE =
  /(?:\u001B[\]PX^_]|[\u009D\u0090\u0098\u009E\u009F])[^\u0007\u001B\u009C]*(?:\u0007|\u001B\\|\u009C)/g;
const CONTROL_SEQUENCE = /(?:\u001B\[|\u009B)[0-?]*[ -/]*[@-~]?/g;
const ESCAPE = /\u001B[ -/]*[0-~]?/g;
// C0, DEL and C1; line and paragraph separators; marks that reorder what follows (bidirectional overrides).
const CONTROL = /[\u0000-\u001F\u007F-\u009F\u2028\u2029\u061C\u200E\u200F\u202A-\u202E\u2066-\u2069\uFEFF]/g;
const SUSPECT = /[^\u0020-\u007E]/;

/**
 * Text of others as one line that a terminal shows and never obeys: control sequences are removed whole, tabs become
 * spaces, whatever else moves the cursor or reorders text is dropped. Longer than 8,192 characters is cut.
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

/** The same with every text in it sanitised, however deep; keys are left, as they are never shown. */
export function sanitiseAll<T>(value: T): T {
  return cleaned(value) as T;
}

/** What holds nothing to remove is not copied: a snapshot of a thousand instances hardly ever does. */
function cleaned(value: unknown): unknown {
  if (typeof value === 'string') return sanitise(value);
  if (typeof value !== 'object' || value === null) return value;
  let copy: Record<string, unknown> | undefined;
  for (const key in value) {
    const part = (value as Record<string, unknown>)[key];
    const clean = cleaned(part);
    if (clean === part) continue;
    copy ??= (Array.isArray(value) ? [...value] : { ...value }) as Record<string, unknown>;
    copy[key] = clean;
  }
  return copy ?? value;
}
