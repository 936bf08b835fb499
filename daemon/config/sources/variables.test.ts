import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { VARIABLES } from './variables.ts';

it('are all in .env.sample, and nothing else is', () => {
  const sample = readFileSync(join(import.meta.dirname, '../../../.env.sample'), 'utf8');
  const shown = [...sample.matchAll(/^#?([A-Z][A-Z0-9_]+)=/gm)].map((match) => match[1]);
  expect(new Set(shown)).toEqual(new Set(VARIABLES));
  expect(shown).toHaveLength(VARIABLES.length);
});
