import { expect, it } from 'vitest';
import { ERROR_CODES } from '../../shared/errors.ts';
import { COMMANDS, GROUPS } from './commands.ts';
import { EXIT_CODES } from './output/exit-codes.ts';

it('has --json for every command except those that set up, run and replace the daemon', () => {
  const without = COMMANDS.filter(({ options }) => !('json' in options)).map(({ words }) => words.join(' '));
  expect(without).toEqual([
    'serve',
    'worker',
    'start',
    'init',
    'completion',
    'install',
    'upgrade',
    'rollback',
    'uninstall',
    'edge nginx',
    'edge haproxy',
    'edge run',
  ]);
});

it('has an exit code in the table for every error', () => {
  const known = Object.keys(EXIT_CODES).map(Number);
  expect(known).toEqual(expect.arrayContaining(Object.values(ERROR_CODES).map(({ exit }) => exit)));
});

it('describes commands and options with a capital letter and without a full stop', () => {
  const texts = COMMANDS.flatMap(({ words, summary, options, positionals }) =>
    [summary, ...Object.values({ ...options, ...positionals }).map(({ describe }) => describe ?? '')].map(
      (text) => [words.join(' '), text],
    ),
  ).concat(Object.entries(GROUPS));
  expect(texts.filter(([, text = '']) => !/^[A-Z][^\n]*[^.\n]$/.test(text))).toEqual([]);
});
