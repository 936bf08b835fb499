import type { InstancePhase } from '../shared/instance.ts';

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

// The sixteen base colours only, without black, white and the bright ones: they hold on dark and light backgrounds.
const COLOURS: Readonly<Record<Token, string>> = {
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
const NO_COLOURS: Readonly<Record<Token, string>> = {
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

/** Everything muted: the last snapshot while the link is gone. The chosen row stays visible. */
const STALE: Readonly<Record<Token, string>> = {
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

export function createThemes({ colour }: { colour: boolean }): Themes {
  return { live: themeOf(colour ? COLOURS : NO_COLOURS), stale: themeOf(STALE) };
}

function themeOf(codes: Readonly<Record<Token, string>>): Theme {
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
