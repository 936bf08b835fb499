import { stripVTControlCharacters } from 'node:util';
import { expect, it } from 'vitest';
import { deletionConsequences } from '../../shared/deletion.ts';
import { instance } from '../../test/console/fleet-fixtures.ts';
import type { Form } from '../store/view/form.ts';
import { createThemes } from '../theme.ts';
import { formDialog } from './form-dialog.ts';

const NAME = '2026-11-21-001-a-user-with-a-name-of-forty-characters-in-all';
const form: Form = {
  purpose: { kind: 'delete-database', name: NAME },
  title: `Delete ${NAME}?`,
  about: deletionConsequences(instance(NAME)).join('\n'),
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
])('shows where one types, what went wrong and the way out in %i×%i', (columns, rows) => {
  const box = formDialog({ theme: createThemes('none').live, columns, rows }, form, true);
  const lines = box.rows.map(stripVTControlCharacters);
  expect(lines.length).toBeLessThanOrEqual(rows);
  const text = lines.join('\n');
  expect(text).toMatch(/▸ Type its name .*日本/);
  expect(text).toContain('that is not its name');
  expect(text).toContain('Esc cancel');
  expect(text).toContain('Everything in it is gone');
  const whole = text.includes('when signing in');
  expect(whole || text.includes('a larger terminal shows all of this')).toBe(true);
});
