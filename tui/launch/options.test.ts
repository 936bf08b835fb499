import { describe, expect, it } from 'vitest';
import { textWith } from '../../test/helpers/text-with.ts';
import { THEME_NAMES } from '../theme.ts';
import { readOptions } from './options.ts';

const PROD = { name: 'prod', address: 'https://fathom.example', theme: 'light' } as const;

function read(...args: string[]) {
  return readOptions(args, async () => [PROD]);
}

describe('readOptions', () => {
  it('reads all options', async () => {
    expect(await read('--url', 'https://fathom.example', '--read-only', '--theme=light')).toEqual({
      kind: 'run',
      options: {
        target: { url: 'https://fathom.example/' },
        explicit: true,
        readOnly: true,
        theme: 'light',
        mouse: true,
        profile: null,
      },
    });
    expect(await read('--profile', 'prod')).toMatchObject({
      options: { target: { url: 'https://fathom.example' }, profile: PROD },
    });
  });

  it.each([
    [
      ['--urll', 'x'],
      ["'--urll'", '--url?'],
    ],
    [
      ['--sokcet', 'x'],
      ["'--sokcet'", '--socket?'],
    ],
    [['--readonly'], ["'--readonly'", '--read-only?']],
    [['--frobnicate=1'], ["'--frobnicate'"]],
    [['--url'], ['--url']],
    [
      ['--url', 'http://a', '--socket', 'b'],
      ['--url', '--socket', '--profile', '--data-dir', '--env-file'],
    ],
    [
      ['--theme', 'pink'],
      ['--theme', 'pink', THEME_NAMES.join(', ')],
    ],
    [['fleet'], ["'fleet'"]],
    [
      ['--url', 'ftp://a'],
      ['--url', 'ftp://a'],
    ],
    [
      ['--profile', 'test'],
      ['--profile', 'test', 'prod'],
    ],
  ])('refuses %j', async (args, parts) => {
    expect(await read(...args)).toEqual({ kind: 'refused', message: textWith(...parts) });
  });

  it('returns the text for --help and --version', async () => {
    expect(await read('--help')).toMatchObject({
      kind: 'answered',
      text: expect.stringContaining('--socket S'),
    });
    expect(await read('--version')).toMatchObject({ text: expect.stringMatching(/^\d+\.\d+\.\d+$/) });
  });
});
