/** PocketBase stores times as `2024-01-15 10:00:00.000Z`; ISO 8601 has a `T` in place of the space. */

export function toPocketBaseDate(at: Date): string {
  return at.toISOString().replace('T', ' ');
}

/** @param stored a stored time; an unset one is the empty string and stays so */
export function toIsoTime(stored: string): string {
  return stored.replace(' ', 'T');
}
