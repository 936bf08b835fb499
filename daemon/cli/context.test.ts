import { describe, expect, it } from 'vitest';
import { environmentWith, painter } from './context.ts';

const write = (): boolean => true;

describe('painter', () => {
  const terminal = { write, isTTY: true };

  it('colours on a terminal', () => {
    expect(painter(terminal, {})('red', 'x')).toBe('\u001B[31mx\u001B[39m');
  });

  it.each([
    ['NO_COLOR is set', terminal, { NO_COLOR: '1' }],
    ['the terminal is dumb', terminal, { TERM: 'dumb' }],
    ['it is no terminal', { write }, {}],
  ])('does not where %s', (_why, output, env) => {
    expect(painter(output, env)('red', 'x')).toBe('x');
  });
});

describe('environmentWith', () => {
  it('sets and leaves out variables', () => {
    expect(environmentWith({ env: { A: '1', B: '2', C: undefined } }, { B: null, D: '4' })).toEqual({
      A: '1',
      D: '4',
    });
  });
});
