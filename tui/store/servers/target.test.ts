import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { resolveTarget } from './target.ts';

let cwd: string;
beforeEach(() => {
  cwd = mkdtempSync(join(tmpdir(), 'fathom-target-'));
});
afterEach(() => rmSync(cwd, { recursive: true }));

describe('resolveTarget', () => {
  const none = { url: undefined, socket: undefined };

  it('prefers the options, then the environment, then a checkout in this directory', () => {
    const env = { FATHOM_SOCKET: 'a.sock', FATHOM_DATA_DIR: '/data' };
    expect(resolveTarget({ url: 'http://h:1', socket: undefined, env, cwd })).toEqual({ url: 'http://h:1/' });
    expect(resolveTarget({ url: undefined, socket: 'b.sock', env, cwd })).toEqual({
      socketPath: join(cwd, 'b.sock'),
    });
    expect(resolveTarget({ ...none, env, cwd })).toEqual({ socketPath: join(cwd, 'a.sock') });
    expect(resolveTarget({ ...none, env: { FATHOM_DATA_DIR: '/data' }, cwd })).toEqual({
      socketPath: '/data/run/fathomd.sock',
    });
    mkdirSync(join(cwd, 'var/run'), { recursive: true });
    writeFileSync(join(cwd, 'var/run/fathomd.sock'), '');
    expect(resolveTarget({ ...none, env: {}, cwd })).toEqual({
      socketPath: join(cwd, 'var/run/fathomd.sock'),
    });
  });

  it('finds the daemon of a data directory or an env file', () => {
    writeFileSync(join(cwd, 'a.env'), 'FATHOM_DATA_DIR=/from-the-file\n');
    writeFileSync(join(cwd, 'b.env'), 'FATHOM_SOCKET=c.sock\n');
    const socketOf = (input: { dataDir?: string; envFile?: string }) =>
      resolveTarget({ ...none, ...input, env: {}, cwd });
    expect(socketOf({ dataDir: 'data' })).toEqual({ socketPath: join(cwd, 'data/run/fathomd.sock') });
    expect(socketOf({ envFile: 'a.env' })).toEqual({ socketPath: '/from-the-file/run/fathomd.sock' });
    expect(socketOf({ envFile: 'b.env' })).toEqual({ socketPath: join(cwd, 'c.sock') });
    expect(() => socketOf({ envFile: 'none.env' })).toThrow(/--env-file .*none\.env/);
  });

  it.each(['nonsense', 'ftp://host', 'http://user:secret@host'])('rejects %s', (url) => {
    expect(() => resolveTarget({ ...none, url, env: {}, cwd })).toThrow(/--url/);
  });
});
