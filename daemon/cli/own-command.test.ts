import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { ownCommand } from './own-command.ts';

it('is the name where the shell finds this very package, else a path that works', async () => {
  const root = mkdtempSync(join(tmpdir(), 'fathom-command-'));
  onTestFinished(() => rmSync(root, { recursive: true }));
  for (const place of ['bin', 'path', 'elsewhere', 'node_modules/.bin']) {
    mkdirSync(join(root, place), { recursive: true });
  }
  writeFileSync(join(root, 'bin/fathom-tui'), '');
  writeFileSync(join(root, 'elsewhere/fathom-tui'), '');
  for (const place of ['path', 'node_modules/.bin'])
    symlinkSync('../bin/fathom-tui', join(root, place, 'fathom-tui'));
  const command = (cwd: string, ...places: string[]) => {
    const env = { PATH: places.map((place) => join(root, place)).join(':') };
    return ownCommand('fathom-tui', { env, cwd }, root);
  };

  expect(await command('/', 'path')).toBe('fathom-tui');
  expect(await command('/', 'elsewhere', 'path')).toBe(join(root, 'bin/fathom-tui'));
  expect(await command('/', 'node_modules/.bin')).toBe(join(root, 'bin/fathom-tui'));
  expect(await command(root)).toBe('bin/fathom-tui');
  expect(await ownCommand('fathom-tui', { env: {}, cwd: '/' }, '/opt/fathom/1.0.0')).toBe('fathom-tui');
});
