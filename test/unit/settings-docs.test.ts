import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { envSample, settingsDocument } from '../../scripts/settings-document.ts';

const read = (path: string) => readFileSync(join(import.meta.dirname, '../..', path), 'utf8');

it('docs/settings.md lists the settings; `npm run docs:settings` writes it', () => {
  expect(read('docs/settings.md')).toBe(settingsDocument());
});

it('.env.sample lists the settings; `npm run docs:settings` writes it', () => {
  expect(read('.env.sample')).toBe(envSample());
});
