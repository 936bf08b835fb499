import { stripVTControlCharacters } from 'node:util';

// C0 but for the tab, DEL, C1, line separators, and the marks that reorder text: none may reach a terminal.
const CONTROL =
  // oxlint-disable-next-line no-control-regex -- they are what it is for
  /[\u0000-\u0008\u000A-\u001F\u007F-\u009F\u2028\u2029\u061C\u200E\u200F\u202A-\u202E\u2066-\u2069\uFEFF]/g;

/** Text of others as one line that a terminal shows and never obeys. */
export function printable(text: string): string {
  return stripVTControlCharacters(text).replace(CONTROL, '');
}
