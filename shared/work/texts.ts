import type { Refusal } from './refusal.ts';

/** The pattern of texts that have more than white space and control characters, and no null character. */
export const NOT_BLANK = '^[\\s\\u0001-\\u001f\\u007f]*[^\\s\\u0000-\\u001f\\u007f][^\\u0000]*$';

export const BLANK: Refusal = {
  code: 'blank',
  message: 'Cannot be blank, and cannot have a null character (U+0000).',
};

/** @returns the refusal of a text that shows nothing or has a null character, or undefined */
export function validateText(text: string): Refusal | undefined {
  return new RegExp(NOT_BLANK).test(text) ? undefined : BLANK;
}
