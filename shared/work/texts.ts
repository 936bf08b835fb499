import type { Refusal } from './refusal.ts';

/** The pattern of texts that have more than white space. */
export const NOT_BLANK = '\\S';

export const BLANK: Refusal = { code: 'blank', message: 'Cannot be blank.' };

/** @returns the refusal of a text that has only white space, or undefined */
export function validateText(text: string): Refusal | undefined {
  return new RegExp(NOT_BLANK).test(text) ? undefined : BLANK;
}
