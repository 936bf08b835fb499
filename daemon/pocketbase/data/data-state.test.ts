import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { findDamage } from './data-state.ts';

let dataDir: string;
beforeEach(() => {
  dataDir = mkdtempSync(join(tmpdir(), 'fathom-data-'));
});
afterEach(() => rmSync(dataDir, { recursive: true }));

it.each(['data.db', 'data.db-wal'])('does not wait for a special file in place of %s', (name) => {
  const path = join(dataDir, name);
  execFileSync('mkfifo', [path]);
  expect(findDamage(dataDir, 'then start it')).toMatchObject({ code: 'database_corrupt' });
  rmSync(path);
  symlinkSync('/dev/zero', path);
  expect(findDamage(dataDir, 'then start it')).toMatchObject({ code: 'database_corrupt' });
  rmSync(path);
  mkdirSync(path);
  expect(findDamage(dataDir, 'then start it')).toMatchObject({ code: 'database_corrupt' });
});

it('finds no damage in missing files', () => {
  expect(findDamage(dataDir, 'then start it')).toBeNull();
});
