import type { InstancePhase } from '../shared/instance.ts';
import type { TaskStatus } from '../shared/task.ts';

/** What a piece of text means; never a colour by name outside this file. */
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

/** `16` suits any background, as the terminal's own colours do; `none` is for NO_COLOR. */
export const THEME_NAMES = ['dark', 'light', '16', 'none'] as const;
export type ThemeName = (typeof THEME_NAMES)[number];

type Palette = Readonly<Record<Token, string>>;

// 256 colours, from the part of the palette that is the same in every terminal; at least 4.5 : 1 against the background.
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

// The sixteen base colours only, without black, white and the bright ones: they hold on dark and light backgrounds.
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

// NO_COLOR asks for no colour; weight and inversion remain, so that the chosen row can be seen.
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

/** Everything muted: the last snapshot while the link is gone. The chosen row stays visible. */
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

/** What was asked for on the command line, else NO_COLOR, else that of the profile, else what the terminal can. */
export function chooseTheme(
  env: Readonly<Record<string, string | undefined>>,
  asked: { option?: ThemeName | undefined; profile?: ThemeName | undefined } = {},
): ThemeName {
  if (asked.option !== undefined) return asked.option;
  if (env['NO_COLOR']) return 'none';
  return asked.profile ?? detectTheme(env);
}

function detectTheme(env: Readonly<Record<string, string | undefined>>): ThemeName {
  const term = env['TERM'] ?? '';
  if (term === 'dumb') return 'none';
  const many = /^(?:truecolor|24bit)$/.test(env['COLORTERM'] ?? '') || /256color|direct/.test(term);
  if (!many) return '16';
  // `foreground;background`, where the terminal tells; 7 and 9 to 15 are the light ones.
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

// One column each, and different in shape: colour is never the only sign.
const PHASE_LOOKS: Readonly<Record<InstancePhase, PhaseLook>> = {
  stopped: { glyph: '○', token: 'muted' },
  queued: { glyph: '◌', token: 'busy' },
  starting: { glyph: '◐', token: 'busy' },
  running: { glyph: '●', token: 'good' },
  unresponsive: { glyph: '▲', token: 'bad' },
  backing_off: { glyph: '↻', token: 'warn' },
  stopping: { glyph: '◑', token: 'busy' },
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
