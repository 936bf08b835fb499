import { describe, expect, it } from 'vitest';
import { readOptions } from './options.ts';

describe('readOptions', () => {
  it('reads them', () => {
    expect(readOptions(['--url', 'https://fathom.example', '--read-only', '--theme=light'])).toEqual({
      kind: 'run',
      options: { target: { url: 'https://fathom.example/' }, readOnly: true, theme: 'light' },
    });
  });

  it.each([
    [['--urll', 'x'], "Unknown option '--urll'; did you mean --url?"],
    [['--url'], "Option '--url <value>' argument missing"],
    [['--url', 'http://a', '--socket', 'b'], '--url and --socket name two daemons: give one'],
    [['--theme', 'pink'], '--theme pink: there are dark, light, 16, none'],
    [['fleet'], "Unexpected argument 'fleet'. This command does not take positional arguments"],
    [
      ['--url', 'ftp://a'],
      '--url ftp://a: needs an http or https address, for example http://127.0.0.1:3000',
    ],
  ])('refuses %j', (args, message) => {
    expect(readOptions(args)).toEqual({ kind: 'refused', message });
  });

  it('answers --help and --version by itself', () => {
    expect(readOptions(['--help'])).toMatchObject({
      kind: 'answered',
      text: expect.stringContaining('--socket S'),
    });
    expect(readOptions(['--version'])).toMatchObject({ text: expect.stringMatching(/^\d+\.\d+\.\d+$/) });
  });
});
