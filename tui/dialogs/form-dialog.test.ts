import { stripVTControlCharacters } from 'node:util';
import { expect, it } from 'vitest';
import { deletionConsequences } from '../../shared/deletion.ts';
import { instance } from '../../test/console/fleet-fixtures.ts';
import type { Form } from '../store/view/form.ts';
import { createThemes } from '../theme.ts';
import { formDialog } from './form-dialog.ts';

const NAME = '2026-11-21-001-a-user-with-a-name-of-forty-characters-in-all';
const CONSEQUENCES = deletionConsequences(instance(NAME));
const form: Form = {
  purpose: { kind: 'delete-database', name: NAME },
  title: `Delete ${NAME}?`,
  about: CONSEQUENCES.join('\n'),
  verb: 'delete it',
  command: `databases delete ${NAME}`,
  fields: [{ name: 'name', label: 'Type its name', value: `${NAME}日本`, kind: 'text' }],
  at: 0,
  error: 'that is not its name',
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
  expect(text).toMatch(/▸ Type its name .*日本/);
  expect(text).toContain('that is not its name');
  expect(text).toContain('Esc cancel');
  expect(text).toContain(CONSEQUENCES[0]?.slice(0, 20));
  const isComplete = text.includes(form.about.split(' ').at(-1) ?? '');
  expect(isComplete || text.includes('larger terminal')).toBe(true);
});
