import { describe, expect, it } from 'vitest';
import { INSTANCE_PHASES } from '../shared/instance.ts';
import { chooseTheme, PALETTES, phaseLook, type ThemeName } from './theme.ts';

describe('chooseTheme', () => {
  it.each<[ThemeName, Record<string, string>]>([
    ['16', { TERM: 'linux' }],
    ['16', { TERM: 'xterm' }],
    ['none', { TERM: 'dumb' }],
    ['dark', { TERM: 'xterm-256color' }],
    ['dark', { TERM: 'xterm', COLORTERM: 'truecolor' }],
    ['dark', { TERM: 'rxvt-256color', COLORFGBG: '15;0' }],
    ['light', { TERM: 'rxvt-256color', COLORFGBG: '0;default;15' }],
    ['light', { TERM: 'xterm', COLORTERM: '24bit', COLORFGBG: '0;7' }],
    ['none', { TERM: 'xterm-256color', NO_COLOR: '1' }],
    ['dark', { TERM: 'xterm-256color', NO_COLOR: '' }],
  ])('detects %s from %j', (theme, env) => {
    expect(chooseTheme(env)).toBe(theme);
  });

  it('prefers the option, then NO_COLOR, then the profile', () => {
    const env = { TERM: 'linux', NO_COLOR: '1' };
    expect(chooseTheme(env, { option: 'light', profile: 'dark' })).toBe('light');
    expect(chooseTheme(env, { profile: 'dark' })).toBe('none');
    expect(chooseTheme({ TERM: 'linux' }, { profile: 'dark' })).toBe('dark');
  });
});

describe('the palettes', () => {
  it.each([
    ['dark', '#1c1c1c'],
    ['light', '#ffffff'],
  ] as const)('%s has enough contrast with its background', (name, background) => {
    for (const code of Object.values(PALETTES[name])) {
      const colour = /38;5;(\d+)/.exec(code)?.[1];
      if (colour === undefined) continue;
      expect(contrast(colourOf(Number(colour)), rgbOf(background)), `colour ${colour}`).toBeGreaterThan(4.5);
    }
  });

  it('none has no colours', () => {
    for (const code of Object.values(PALETTES.none)) expect(code).toMatch(/^[127]?$/);
  });
});

it('gives every phase a shape of its own', () => {
  const glyphs = INSTANCE_PHASES.map((phase) => phaseLook(phase).glyph);
  expect(new Set(glyphs).size).toBe(INSTANCE_PHASES.length);
});

type Rgb = readonly number[];

/** The 256 colours are a cube of 6 × 6 × 6 from index 16, then 24 greys. */
function colourOf(index: number): Rgb {
  if (index >= 232) return Array.from({ length: 3 }, () => 8 + (index - 232) * 10);
  const place = index - 16;
  return [Math.floor(place / 36), Math.floor(place / 6) % 6, place % 6].map((step) =>
    step === 0 ? 0 : 55 + step * 40,
  );
}

function rgbOf(hex: string): Rgb {
  return [1, 3, 5].map((at) => Number.parseInt(hex.slice(at, at + 2), 16));
}

/** The contrast as defined by the Web Content Accessibility Guidelines. */
function contrast(one: Rgb, other: Rgb): number {
  const [low = 0, high = 0] = [luminance(one), luminance(other)].toSorted((a, b) => a - b);
  return (high + 0.05) / (low + 0.05);
}

function luminance(colour: Rgb): number {
  const [red = 0, green = 0, blue = 0] = colour.map((value) => {
    const part = value / 255;
    return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
}
