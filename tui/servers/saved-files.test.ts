import { mkdtemp, readFile, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { savedFileName, saveText } from './saved-files.ts';

it('writes files that only the owner can read, and never overwrites one', async () => {
  const state = await mkdtemp(join(tmpdir(), 'fathom-saved-'));
  onTestFinished(() => rm(state, { recursive: true, force: true }));
  const name = savedFileName('2024-01-15-001-johndoe-logs', Date.UTC(2026, 10, 21, 12, 30, 5));
  expect(name).toBe('2024-01-15-001-johndoe-logs-20261121T123005.txt');
  const first = await saveText({ XDG_STATE_HOME: state }, name, 'one');
  const second = await saveText({ HOME: '/nowhere', XDG_STATE_HOME: state }, name, 'two');
  expect(second).toBe(first.replace('.txt', '-2.txt'));
  expect(await readFile(first, 'utf8')).toBe('one');
  expect((await stat(first)).mode & 0o777).toBe(0o600);
  expect((await stat(dirname(first))).mode & 0o777).toBe(0o700);
});

it('builds a safe file name from any description', () => {
  expect(savedFileName('../../etc/passwd 日本', 0)).toBe('etc-passwd-19700101T000000.txt');
  expect(savedFileName('...', 0)).toBe('fathom-19700101T000000.txt');
});
