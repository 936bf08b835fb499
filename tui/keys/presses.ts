const KEY_LABELS: Readonly<Record<string, string>> = {
  enter: '⏎',
  esc: 'Esc',
  space: 'Space',
  up: '↑',
  down: '↓',
  left: '←',
  right: '→',
  pageup: 'PgUp',
  pagedown: 'PgDn',
  home: 'Home',
  end: 'End',
  tab: 'Tab',
};

export function keyLabel(key: string): string {
  return KEY_LABELS[key] ?? key.replace(/^ctrl\+(.)$/, (_, letter: string) => `^${letter.toUpperCase()}`);
}

/** The used part of Ink's `Key`. */
export interface KeyFlags {
  upArrow: boolean;
  downArrow: boolean;
  leftArrow: boolean;
  rightArrow: boolean;
  pageUp: boolean;
  pageDown: boolean;
  home: boolean;
  end: boolean;
  return: boolean;
  escape: boolean;
  tab: boolean;
  backspace: boolean;
  delete: boolean;
  ctrl: boolean;
  meta: boolean;
}

const NAMED = [
  ['upArrow', 'up'],
  ['downArrow', 'down'],
  ['leftArrow', 'left'],
  ['rightArrow', 'right'],
  ['pageUp', 'pageup'],
  ['pageDown', 'pagedown'],
  ['home', 'home'],
  ['end', 'end'],
  ['return', 'enter'],
  ['escape', 'esc'],
  ['tab', 'tab'],
  ['backspace', 'backspace'],
  ['delete', 'backspace'],
] as const;

/** Keys of one byte. Esc followed by one of them looks like the key with Meta, but Esc must never confirm anything. */
const AFTER_ESC: ReadonlySet<string> = new Set(['enter', 'tab', 'backspace']);

/**
 * Splits input from Ink into key presses by name. Ink combines keys that arrive together (a held key, a slow line) into
 * one text, and reports Esc followed quickly by a letter as that letter with Meta.
 */
export function pressesOf(input: string, key: KeyFlags): string[] {
  const named = NAMED.find(([flag]) => key[flag]);
  if (named !== undefined) return key.meta && AFTER_ESC.has(named[1]) ? ['esc', named[1]] : [named[1]];
  if (key.ctrl) return input === '' ? [] : [`ctrl+${input.toLowerCase()}`];
  const typed = Array.from(new Intl.Segmenter().segment(input), ({ segment }) => pressOf(segment));
  return key.meta ? ['esc', ...typed] : typed;
}

function pressOf(text: string): string {
  switch (text) {
    case '\r':
    case '\n':
    case '\r\n':
      return 'enter';
    case '\t':
      return 'tab';
    case ' ':
      return 'space';
    case '\u001B':
      return 'esc';
    case '\b':
    case '\u007F':
      return 'backspace';
    default:
      return controlKey(text) ?? text;
  }
}

/** The first 26 control characters are Ctrl with a letter. */
function controlKey(text: string): string | null {
  const code = text.charCodeAt(0);
  return text.length === 1 && code >= 1 && code <= 26 ? `ctrl+${String.fromCharCode(code + 96)}` : null;
}

/** The text that a key press types; null for keys without a visible character. */
export function typedText(press: string): string | null {
  if (press === 'space') return ' ';
  // Names of keys are longer than one character.
  return /^[a-z+]{2,}/.test(press) || /\p{Control}/u.test(press) ? null : press;
}
