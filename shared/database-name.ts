/** Names of user databases: `yyyy-mm-dd-XXX-username`, e.g. `2024-01-15-001-johndoe`. */

const MAX_USERNAME = 40;
const PATTERN = /^(\d{4}-\d{2}-\d{2})-(\d{3,})-([a-z0-9_-]{1,40})$/;

export interface DatabaseName {
  /** Day of creation in UTC, `yyyy-mm-dd`. */
  day: string;
  /** Starts at 1 every day; written with at least three digits. */
  number: number;
  username: string;
}

/** The part before the @, without characters that are unsafe in a path, a URL or a shell; `user` if nothing is left. */
export function usernameOf(email: string): string {
  const at = email.lastIndexOf('@');
  const local = at === -1 ? email : email.slice(0, at);
  const reduced = local
    .toLowerCase()
    .replace(/[^a-z0-9_-]/g, '')
    .slice(0, MAX_USERNAME);
  return reduced === '' ? 'user' : reduced;
}

/** Returns null for text that is not a database name, including path traversal. */
export function parseDatabaseName(text: string): DatabaseName | null {
  const match = PATTERN.exec(text);
  if (!match) return null;
  const [, day, number, username] = match as unknown as [string, string, string, string];
  if (Number.isNaN(Date.parse(`${day}T00:00:00Z`))) return null;
  if (number.length > 3 && number.startsWith('0')) return null;
  return { day, number: Number(number), username };
}

export function isDatabaseName(text: string): boolean {
  return parseDatabaseName(text) !== null;
}

/** The day of a date in UTC, `yyyy-mm-dd`. */
export function utcDay(at: Date): string {
  return at.toISOString().slice(0, 10);
}
