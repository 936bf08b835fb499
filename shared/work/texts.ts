import type { Refusal } from './refusal.ts';

/*
 * Characters that show nothing, as UTF-16 code units: white space and control characters, what Unicode calls ignorable by default
 * (joiners, marks of direction, fillers, selectors, tags), and the blank of braille. PocketBase's JavaScript knows no classes of
 * Unicode.
 */
const WHITE_SPACE = '\\s\\u0001-\\u001f\\u007f-\\u009f\\u2800';
const IGNORABLE = [
  '\\u00ad\\u034f\\u061c\\u115f\\u1160\\u17b4\\u17b5\\u180b-\\u180f\\u200b-\\u200f\\u202a-\\u202e',
  '\\u2060-\\u206f\\u3164\\ufe00-\\ufe0f\\ufeff\\uffa0\\ufff0-\\ufffb',
].join('');
const UNSEEN = `${WHITE_SPACE}${IGNORABLE}`;
/** Characters above U+FFFF are two units. The first one is in no other character. */
const UNSEEN_PAIRS = [
  ['\\ud82f', '\\udca0-\\udca3'],
  ['\\ud834', '\\udd73-\\udd7a'],
  ['\\udb40-\\udb43', '\\udc00-\\udfff'],
] as const;

const firstUnits = UNSEEN_PAIRS.map(([first]) => first).join('');
const unseen = [`[${UNSEEN}]`, ...UNSEEN_PAIRS.map(([first, second]) => `[${first}][${second}]`)].join('|');
const seen = [
  `[^\\u0000${UNSEEN}${firstUnits}]`,
  ...UNSEEN_PAIRS.map(([first, second]) => `[${first}][^\\u0000${second}]`),
].join('|');

/** The pattern of texts that show something, and have no null character. */
export const NOT_BLANK = `^(?:${unseen})*(?:${seen})[^\\u0000]*$`;

export const BLANK: Refusal = {
  code: 'blank',
  message: 'Cannot be blank, and cannot have a null character (U+0000).',
};

const notBlank = new RegExp(NOT_BLANK);

/** @returns the refusal of a text that shows nothing or has a null character, or undefined */
export function validateText(text: string): Refusal | undefined {
  return notBlank.test(text) ? undefined : BLANK;
}
