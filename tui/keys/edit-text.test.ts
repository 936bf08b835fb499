import { describe, expect, it } from 'vitest';
import { editText } from './edit-text.ts';

describe('editText', () => {
  it.each([
    ['', 'a', 'a'],
    ['a', 'space', 'a '],
    ['a', '日', 'a日'],
    ['a👩‍🚀', 'backspace', 'a'],
    ['two words', 'ctrl+w', 'two '],
    ['two words', 'ctrl+u', ''],
    ['a', '+', 'a+'],
  ])('%j and %s make %j', (text, press, after) => {
    expect(editText(text, press)).toBe(after);
  });

  it.each(['up', 'pageup', 'tab', 'ctrl+a', '\u0001'])('takes %j for no text', (press) => {
    expect(editText('a', press)).toBeNull();
  });
});
