import { expect, it } from 'vitest';
import { checkProse } from '../../scripts/prose.ts';

it.each([
  'Whoever asks is answered.',
  'const toldOf = 1;',
  "import { draw } from './draw-anew.ts';",
  'MENDED_ONCE',
  'nobody listens',
])('finds an avoided word in: %s', (text) => {
  expect(checkProse(`first line\n${text}`)).toEqual([expect.objectContaining({ line: 2 })]);
});

it.each(["runs as the user 'nobody'", 'A mendacious understanding', 'Call retold'])(
  'finds none in: %s',
  (text) => {
    expect(checkProse(text)).toEqual([]);
  },
);
