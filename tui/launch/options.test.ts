import { describe, expect, it } from 'vitest';
import { readOptions } from './options.ts';

const PROD = { name: 'prod', address: 'https://fathom.example', theme: 'light' } as const;

function read(...args: string[]) {
  return readOptions(args, async () => [PROD]);
}

describe('readOptions', () => {
  it('reads them', async () => {
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
    [['--urll', 'x'], "Unknown option '--urll'; did you mean --url?"],
    [['--url'], "Option '--url <value>' argument missing"],
    [
      ['--url', 'http://a', '--socket', 'b'],
      '--url, --socket, --profile and --data-dir or --env-file each name a daemon: give one',
    ],
    [['--theme', 'pink'], '--theme pink: there are dark, light, 16, none'],
    [['fleet'], "Unexpected argument 'fleet'. This command does not take positional arguments"],
    [
      ['--url', 'ftp://a'],
      '--url ftp://a: needs an http or https address, for example http://127.0.0.1:3000',
    ],
    [['--profile', 'test'], '--profile test: there are prod'],
  ])('refuses %j', async (args, message) => {
    expect(await read(...args)).toEqual({ kind: 'refused', message });
  });

  it('answers --help and --version by itself', async () => {
    expect(await read('--help')).toMatchObject({
      kind: 'answered',
      text: expect.stringContaining('--socket S'),
    });
    expect(await read('--version')).toMatchObject({ text: expect.stringMatching(/^\d+\.\d+\.\d+$/) });
  });
});
