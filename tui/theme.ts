import type { InstancePhase } from '../shared/instance.ts';
import type { TaskStatus } from '../shared/task.ts';

/** The meaning of a piece of text. Only this file names colours. */
export type Token =
  | 'plain'
  | 'muted'
  | 'strong'
  | 'title'
  | 'accent'
  | 'good'
  | 'busy'
  | 'warn'
  | 'bad'
  | 'chosen';

export interface Theme {
  paint(token: Token, text: string): string;
}

/** `16` uses the terminal's own colours and works on any background. `none` is for NO_COLOR. */
export const THEME_NAMES = ['dark', 'light', '16', 'none'] as const;
export type ThemeName = (typeof THEME_NAMES)[number];

type Palette = Readonly<Record<Token, string>>;

// 256 colours, from the part of the palette that all terminals share. The contrast is at least 4.5 : 1.
const DARK: Palette = {
  plain: '',
  muted: '38;5;246',
  strong: '1',
  title: '1;38;5;80',
  accent: '38;5;80',
  good: '38;5;114',
  busy: '38;5;111',
  warn: '38;5;221',
  bad: '38;5;210',
  chosen: '7',
};

const LIGHT: Palette = {
  plain: '',
  muted: '38;5;241',
  strong: '1',
  title: '1;38;5;24',
  accent: '38;5;24',
  good: '38;5;22',
  busy: '38;5;19',
  warn: '38;5;94',
  bad: '38;5;124',
  chosen: '7',
};

// Base colours without black, white and the bright ones: readable on dark and light backgrounds.
const SIXTEEN: Palette = {
  plain: '',
  muted: '2',
  strong: '1',
  title: '1;36',
  accent: '36',
  good: '32',
  busy: '34',
  warn: '33',
  bad: '31',
  chosen: '7',
};

// NO_COLOR forbids colours. Weight and inversion remain, so that the selected row is visible.
const NONE: Palette = {
  plain: '',
  muted: '2',
  strong: '1',
  title: '1',
  accent: '',
  good: '',
  busy: '',
  warn: '',
  bad: '1',
  chosen: '7',
};

export const PALETTES: Readonly<Record<ThemeName, Palette>> = {
  dark: DARK,
  light: LIGHT,
  '16': SIXTEEN,
  none: NONE,
};

/** All text muted, for old data while there is no connection. The selected row stays visible. */
const STALE: Palette = {
  plain: '2',
  muted: '2',
  strong: '2',
  title: '2',
  accent: '2',
  good: '2',
  busy: '2',
  warn: '2',
  bad: '2',
  chosen: '2;7',
};

export interface Themes {
  live: Theme;
  stale: Theme;
}

export function createThemes(name: ThemeName): Themes {
  return { live: themeOf(PALETTES[name]), stale: themeOf(STALE) };
}

/** The theme of the command line, else NO_COLOR, else the theme of the profile, else one detected from the terminal. */
export function chooseTheme(
  env: Readonly<Record<string, string | undefined>>,
  { option, profile }: { option?: ThemeName | undefined; profile?: ThemeName | undefined } = {},
): ThemeName {
  if (option !== undefined) return option;
  if (env['NO_COLOR']) return 'none';
  return profile ?? detectTheme(env);
}

function detectTheme(env: Readonly<Record<string, string | undefined>>): ThemeName {
  const term = env['TERM'] ?? '';
  if (term === 'dumb') return 'none';
  const has256Colours = /^(?:truecolor|24bit)$/.test(env['COLORTERM'] ?? '') || /256color|direct/.test(term);
  if (!has256Colours) return '16';
  // `foreground;background`, if the terminal sets it. 7 and 9 to 15 are light.
  const background = Number(/;(\d+)$/.exec(env['COLORFGBG'] ?? '')?.[1] ?? Number.NaN);
  return background === 7 || background >= 9 ? 'light' : 'dark';
}

function themeOf(codes: Palette): Theme {
  return {
    paint(token, text) {
      const code = codes[token];
      return code === '' || text === '' ? text : `\u001B[${code}m${text}\u001B[0m`;
    },
  };
}

export interface PhaseLook {
  glyph: string;
  token: Token;
}

// Each glyph is one column wide and has its own shape, because colour must never be the only sign.
const PHASE_LOOKS: Readonly<Record<InstancePhase, PhaseLook>> = {
  stopped: { glyph: '○', token: 'muted' },
  queued: { glyph: '◌', token: 'busy' },
  starting: { glyph: '◐', token: 'busy' },
  running: { glyph: '●', token: 'good' },
  unresponsive: { glyph: '▲', token: 'bad' },
  backing_off: { glyph: '↻', token: 'warn' },
  stopping: { glyph: '◑', token: 'busy' },
  asleep: { glyph: '◦', token: 'muted' },
  waking: { glyph: '◒', token: 'busy' },
  failed: { glyph: '✗', token: 'bad' },
};

export function phaseLook(phase: InstancePhase): PhaseLook {
  return PHASE_LOOKS[phase];
}

const TASK_LOOKS: Readonly<Record<TaskStatus, PhaseLook>> = {
  pending: { glyph: '◌', token: 'busy' },
  processing: { glyph: '◐', token: 'busy' },
  done: { glyph: '✓', token: 'good' },
  failed: { glyph: '✗', token: 'warn' },
  dead: { glyph: '✗', token: 'bad' },
  cancelled: { glyph: '○', token: 'muted' },
};

export function taskLook(status: TaskStatus): PhaseLook {
  return TASK_LOOKS[status];
}
