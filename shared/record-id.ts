import { randomInt } from 'node:crypto';

const LENGTH = 15;
const ALPHABET = 'abcdefghijklmnopqrstuvwxyz0123456789';

/** The form of an id of a PocketBase record. */
export const RECORD_ID = /^[a-z0-9]{15}$/;

export function isRecordId(text: string): boolean {
  return RECORD_ID.test(text);
}

export function newRecordId(): string {
  return Array.from({ length: LENGTH }, () => ALPHABET[randomInt(ALPHABET.length)]).join('');
}
