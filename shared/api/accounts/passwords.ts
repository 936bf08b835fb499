import { z } from 'zod';

const TOO_LONG =
  'has more than 71 bytes: a letter like a is one byte, others like é or ж are two, most symbols four';
/** Of characters. PocketBase stores no longer one. */
const MAX_LENGTH = 71;
/** PocketBase hashes with bcrypt, which reads no more. */
const MAX_BYTES = 72;

/** The password of an account that exists. */
export const passwordSchema = z.string().min(1).max(MAX_LENGTH, TOO_LONG);

export const newPasswordSchema = passwordSchema.refine(
  (password) => utf8Length(password) <= MAX_BYTES,
  TOO_LONG,
);

function utf8Length(text: string): number {
  let bytes = 0;
  for (const character of text) {
    const code = character.codePointAt(0) ?? 0;
    bytes += code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
  }
  return bytes;
}
