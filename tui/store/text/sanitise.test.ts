import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { failed } from '../../../test/console/fleet-fixtures.ts';
import { anyText } from '../../../test/helpers/any-text.ts';
import { sanitise, sanitiseAll } from './sanitise.ts';

describe('sanitise', () => {
  it.each([
    ['colours', '\u001B[31mred\u001B[0m', 'red'],
    ['cursor movement', 'a\u001B[2J\u001B[1;1Hb', 'ab'],
    ['a title with its payload', '\u001B]0;pwned\u0007after', 'after'],
    ['a hyperlink', '\u001B]8;;http://evil\u001B\\text\u001B]8;;\u001B\\', 'text'],
    ['eight-bit sequences', '\u009B31mred\u009D0;title\u009Cafter', 'redafter'],
    ['an escape without an end', 'a\u001B', 'a'],
    ['only the start of a title without an end', '\u001B]0;visible', '0;visible'],
    ['carriage returns that would overwrite', 'good\rbad', 'good bad'],
    ['backspaces and bells', 'a\b\u0007b', 'ab'],
    ['tabs', 'a\tb', 'a  b'],
    ['bidirectional overrides', 'user\u202Egnp.exe', 'usergnp.exe'],
    ['line separators', 'a\u2028b', 'ab'],
    ['lone surrogates', 'a\uD800b', 'a\uFFFDb'],
  ])('removes %s', (_, text, clean) => {
    expect(sanitise(text)).toBe(clean);
  });

  it('keeps wide characters, emoji sequences and combining marks', () => {
    const text = '山田 👩‍🚀 ñ 🇨🇭';
    expect(sanitise(text)).toBe(text);
  });

  it('cuts very long text', () => {
    expect(sanitise('x'.repeat(10_000))).toHaveLength(8_193);
  });

  it('leaves no control characters, and changes nothing in a second pass', () => {
    const piece = fc.constantFrom(
      '\u001B',
      '[',
      ']',
      '31m',
      '\u009B',
      '\u0007',
      '\\',
      'a',
      '\r',
      '\n',
      '\u202E',
    );
    fc.assert(
      fc.property(
        fc.oneof(
          anyText(),
          fc.array(piece).map((all) => all.join('')),
        ),
        (text) => {
          const clean = sanitise(text);
          expect(clean).not.toMatch(/\p{Control}/u);
          expect(sanitise(clean)).toBe(clean);
        },
      ),
    );
  });

  it('sanitises all strings of an instance', () => {
    const evil = '\u001B[2Jx';
    const dirty = failed(evil, {
      email: evil,
      url: evil,
      db_path: evil,
      pocketbase_version: evil,
      reason: { code: 'exited', message: evil, log_tail: [evil] },
      probe: { at: '', ok: false, latency_ms: 1, error: evil },
    });
    expect(JSON.stringify(sanitiseAll(dirty))).not.toContain('[2J');
  });
});
