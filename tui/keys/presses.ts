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

/** The part of Ink's `Key` that is read here. */
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

/** Of one byte, so that Esc before it cannot be told from Meta: leaving with Esc must never become a yes. */
const AFTER_ESC: ReadonlySet<string> = new Set(['enter', 'tab', 'backspace']);

/**
 * Key presses by name. Ink hands over several as one text when they arrive together (a held key, a slow line), and
 * Esc followed quickly by a letter as that letter with Meta: both are taken apart again.
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

/** The first 26 control characters are what Ctrl makes of letters. */
function controlKey(text: string): string | null {
  const code = text.charCodeAt(0);
  return text.length === 1 && code >= 1 && code <= 26 ? `ctrl+${String.fromCharCode(code + 96)}` : null;
}
