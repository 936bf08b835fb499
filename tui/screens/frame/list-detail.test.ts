import { expect, it } from 'vitest';
import { failed, instance } from '../../../test/console/fleet-fixtures.ts';
import { initialState } from '../../store/fleet/fleet-state.ts';
import { createThemes } from '../../theme.ts';
import { withInstanceDetail } from './list-detail.ts';

const VIEW = {
  fleet: initialState(Date.now()),
  theme: createThemes('none').live,
  size: { columns: 60, rows: 30 },
};
const WORDS = Array.from({ length: 40 }, (_, index) => `word${index}`);
const LONG = failed('a', { reason: { code: 'database_corrupt', message: WORDS.join(' ') } });

it('shows the whole message, using empty rows of the list', () => {
  const list = ['one', 'two', ...Array<string>(10).fill('')];
  const lines = withInstanceDetail(VIEW, list, LONG);
  expect(lines).toHaveLength(list.length + 3);
  expect(lines.slice(0, 3)).toEqual(['one', 'two', '']);
  expect(lines.join(' ').match(/word\d+/g)).toEqual(WORDS);
});

it('cuts the message when the list is full', () => {
  const list = Array<string>(12).fill('row');
  const lines = withInstanceDetail(VIEW, list, LONG);
  expect(lines.slice(0, 12)).toEqual(list);
  expect(lines).toHaveLength(15);
  expect(lines.at(-1)).toMatch(/word\d+ .*…$/);
});

it('starts a short message on the same row as a long one', () => {
  const lines = withInstanceDetail(VIEW, ['one', '', ''], instance('a', { email: 'a@b.c' }));
  expect(lines.slice(0, 3)).toEqual(['one', '', '']);
  expect(lines[3]).toContain('a@b.c');
  expect(lines).toHaveLength(6);
});
