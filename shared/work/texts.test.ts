import { describe, expect, it } from 'vitest';
import { NOT_BLANK, validateText } from './texts.ts';

const SHOWS_NOTHING = /^[\p{White_Space}\p{Cc}\p{Default_Ignorable_Code_Point}\u2800\ufff9-\ufffb]$/u;
const SURROGATES = { first: 0xd800, last: 0xdfff };

describe('validateText', () => {
  it('refuses each character that shows nothing, and no other one', () => {
    const wrong: string[] = [];
    for (let code = 0; code <= 0x10_ffff; code += 1) {
      if (code >= SURROGATES.first && code <= SURROGATES.last) continue;
      const character = String.fromCodePoint(code);
      const isRefused = validateText(character) !== undefined;
      if (isRefused !== SHOWS_NOTHING.test(character)) wrong.push(`U+${code.toString(16)}`);
    }
    expect(wrong).toEqual([]);
  });

  it.each([
    '',
    ' \u200b\n\u3164',
    '\u200e\u2066\u202e',
    '\u{e0041}\u{e0042}',
    '\u{1d173}\u{1bca0}',
    '\ufeff\u2060',
  ])('refuses %j', (text) => {
    expect(validateText(text)).toMatchObject({ code: 'blank' });
  });

  it.each(['\0', 'a\0', '\0a', '😀\0', '\u200b\0a'])('refuses the null character in %j', (text) => {
    expect(validateText(text)).toMatchObject({ code: 'blank' });
  });

  it.each([
    'a',
    ' a',
    'a\u200b',
    '\u200b😀',
    '\u{1f468}\u200d\u{1f469}',
    '\u{e0041}x',
    '\u{1d172}',
    '\u{20000}',
    '日本',
    '\ufffd',
  ])('admits %j', (text) => {
    expect(validateText(text)).toBeUndefined();
  });

  it('reads a long text once', () => {
    for (const part of ['a', '😀', '\u200b', '\u{e0041}', '\ud834', '\udb40']) {
      expect(validateText(`${part.repeat(200_000)}\0`)).toBeDefined();
    }
  });

  it('is a pattern for other languages: without lookaround', () => {
    expect(NOT_BLANK).not.toMatch(/\(\?[=!<]/);
  });
});
