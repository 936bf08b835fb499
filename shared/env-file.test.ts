import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { MAX_ENV_FILE_BYTES, ownUsers, readEnvFile, refusalOf } from './env-file.ts';

const OWN = 1000;
const OTHER = 1001;
const file = { uid: OWN, gid: OWN, mode: 0o100600 };
const directory = { uid: OWN, gid: OWN, mode: 0o040755 };

const isRefused = (
  changes: Partial<typeof file>,
  linkedBy: readonly (typeof file)[] = [],
  trusted = new Set([0, OWN]),
): boolean => refusalOf({ path: '/srv/.env', file: { ...file, ...changes }, linkedBy, trusted }) !== null;

const read = (path: string) => readEnvFile(path, ownUsers());

describe('refusalOf', () => {
  it.each([
    ['of this user', {}, false],
    ['of root, which a group can read', { uid: 0, gid: OTHER, mode: 0o100640 }, false],
    ['that all users can read', { mode: 0o100644 }, false],
    ['that the own group of this user can write', { mode: 0o100664 }, false],
    ['of another user', { uid: OTHER }, true],
    ['that another group can write', { gid: OTHER, mode: 0o100660 }, true],
    ['that all users can write', { mode: 0o100666 }, true],
    ['of root that all users can write', { uid: 0, gid: 0, mode: 0o100602 }, true],
  ])('a file %s: %s', (_, changes, refused) => {
    expect(isRefused(changes)).toBe(refused);
  });

  it('accepts a file of a further trusted user', () => {
    expect(isRefused({ uid: OTHER }, [], new Set([0, OWN, OTHER]))).toBe(false);
  });

  it('refuses a link that another user can choose', () => {
    expect(isRefused({ uid: 0, gid: 0 }, [file, directory])).toBe(false);
    expect(isRefused({ uid: 0, gid: 0 }, [{ ...file, uid: OTHER }, directory])).toBe(true);
    expect(isRefused({ uid: 0, gid: 0 }, [file, { ...directory, uid: OTHER }])).toBe(true);
    expect(isRefused({}, [file, { ...directory, mode: 0o040777 }])).toBe(true);
    expect(isRefused({}, [file, { ...directory, mode: 0o041777 }])).toBe(false);
  });
});

describe('readEnvFile', () => {
  let dir: string;
  beforeEach(() => {
    dir = mkdtempSync(join(tmpdir(), 'fathom-env-'));
  });
  afterEach(() => rmSync(dir, { recursive: true }));
  it('reads a file, also through a link', () => {
    writeFileSync(join(dir, 'file'), 'A=1\n', { mode: 0o600 });
    symlinkSync('file', join(dir, 'link'));
    expect(read(join(dir, 'file'))).toMatchObject({ values: { A: '1' }, mode: 0o600 });
    expect(read(join(dir, 'link'))).toMatchObject({ values: { A: '1' }, mode: 0o600 });
  });

  it('does not wait for a named pipe, a device, or a directory', () => {
    execFileSync('mkfifo', [join(dir, 'pipe')]);
    symlinkSync('pipe', join(dir, 'link'));
    symlinkSync('/dev/zero', join(dir, 'zero'));
    mkdirSync(join(dir, 'directory'));
    for (const name of ['pipe', 'link', 'zero', 'directory'])
      expect(read(join(dir, name))).toMatchObject({ error: 'not a regular file' });
  });

  it('rejects a file of more than 1 MiB, and reads one without a size', () => {
    writeFileSync(join(dir, 'large'), '#'.repeat(MAX_ENV_FILE_BYTES + 1));
    expect(read(join(dir, 'large'))).toMatchObject({ error: 'too large' });
    expect(read('/proc/self/status')).toHaveProperty('values');
  });
});
