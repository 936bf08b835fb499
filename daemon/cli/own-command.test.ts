import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { commandFor } from '../../shared/launcher.ts';
import { ownCommand, withOwnCommand } from './own-command.ts';

it('is the name if the shell finds this package, otherwise a path', () => {
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
    return commandFor('fathom-tui', { env, cwd }, root);
  };

  expect(command('/', 'path')).toBe('fathom-tui');
  expect(command('/', 'elsewhere', 'path')).toBe(join(root, 'bin/fathom-tui'));
  expect(command('/', 'node_modules/.bin')).toBe(join(root, 'bin/fathom-tui'));
  expect(command(root)).toBe('bin/fathom-tui');
  expect(commandFor('fathom-tui', { env: {}, cwd: '/' }, '/opt/fathom/1.0.0')).toBe('fathom-tui');
});

it('replaces quoted command names in a message, and nothing else', () => {
  const place = { env: {}, cwd: '/' };
  const own = ownCommand('fathomd', place);
  expect(withOwnCommand("run 'fathomd doctor', see 'fathomd'; fathomd 'fathomdx'", place)).toBe(
    `run '${own} doctor', see '${own}'; fathomd 'fathomdx'`,
  );
});
