import { stripVTControlCharacters } from 'node:util';
import { expect, it } from 'vitest';
import { deletionConsequences } from '../../shared/deletion.ts';
import { instance } from '../../test/console/fleet-fixtures.ts';
import type { Form } from '../store/view/form.ts';
import { createThemes } from '../theme.ts';
import { formDialog } from './form-dialog.ts';

const NAME = '2026-11-21-001-a-user-with-a-name-of-forty-characters-in-all';
const CONSEQUENCES = deletionConsequences(instance(NAME), 30);
const form: Form = {
  purpose: { kind: 'delete-database', name: NAME },
  title: `Delete ${NAME}?`,
  about: CONSEQUENCES.join('\n'),
  verb: 'delete it',
  command: `databases delete ${NAME}`,
  fields: [{ name: 'name', label: 'Name', value: `${NAME}日本`, kind: 'text' }],
  at: 0,
  error: 'E-NAME',
  busy: false,
};

it.each([
  [60, 9],
  [80, 12],
  [80, 21],
  [160, 47],
])('shows the input, the error and how to cancel in %i×%i', (columns, rows) => {
  const box = formDialog({ theme: createThemes('none').live, columns, rows }, form, true);
  const lines = box.rows.map(stripVTControlCharacters);
  expect(lines.length).toBeLessThanOrEqual(rows);
  const text = lines.join('\n');
  expect(text).toMatch(/▸ Name .*日本/);
  expect(text).toContain('E-NAME');
  expect(text).toContain('Esc');
  const words = text.replace(/[│\s]+/g, ' ');
  const [begin, end] = [form.about.slice(0, 20), form.about.slice(-12)];
  expect(words).toContain(begin);
  // Either all of it, or a remark that there is more.
  const hasMore = lines.some((line) => /^[│\s]*… \S/.test(line));
  expect(words.includes(end)).toBe(!hasMore);
});
