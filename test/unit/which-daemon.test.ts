import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { connectionOf } from '../../daemon/cli/connect.ts';
import { findDaemonSocket, readSettingsFiles } from '../../shared/settings-files.ts';
import { resolveTarget } from '../../tui/store/servers/target.ts';

let cwd: string;
beforeEach(() => {
  cwd = mkdtempSync(join(tmpdir(), 'fathom-which-'));
});
afterEach(() => rmSync(cwd, { recursive: true }));

function write(name: string, text: string): string {
  const path = join(cwd, name);
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, text);
  return path;
}

/** The socket that a command and the console find, which has to be the same. */
function socketFor(
  options: { dataDir?: string; envFile?: string } = {},
  env: Record<string, string> = {},
): string {
  const args = { 'data-dir': options.dataDir, 'env-file': options.envFile };
  const context = { env, cwd } as Parameters<typeof connectionOf>[1];
  const { target } = connectionOf(args, context);
  expect(resolveTarget({ url: undefined, socket: undefined, ...options, env, cwd })).toEqual(target);
  return 'socketPath' in target ? target.socketPath : target.url;
}

it('finds the daemon below ./var without any setting', () => {
  write('var/run/fathomd.sock', '');
  expect(socketFor()).toBe(join(cwd, 'var/run/fathomd.sock'));
});

it('reads the data directory of ./.env and the socket of the .env file below it', () => {
  write('.env', 'FATHOM_DATA_DIR=data\n');
  expect(socketFor()).toBe(join(cwd, 'data/run/fathomd.sock'));
  write('data/.env', 'FATHOM_SOCKET=/srv/x.sock\n');
  expect(socketFor()).toBe('/srv/x.sock');
});

it('prefers the command line, then the environment, then .env, then .env.local', () => {
  write('.env.local', 'FATHOM_DATA_DIR=/local\n');
  expect(socketFor()).toBe('/local/run/fathomd.sock');
  write('.env', 'FATHOM_DATA_DIR=/file\n');
  expect(socketFor()).toBe('/file/run/fathomd.sock');
  expect(socketFor({}, { FATHOM_DATA_DIR: '/env' })).toBe('/env/run/fathomd.sock');
  expect(socketFor({ dataDir: '/line' }, { FATHOM_DATA_DIR: '/env' })).toBe('/line/run/fathomd.sock');
});

it('reads no other file beside a named one', () => {
  write('.env', 'FATHOM_SOCKET=/usual.sock\n');
  const envFile = write('named.env', 'FATHOM_DATA_DIR=/named\n');
  expect(socketFor({ envFile })).toBe('/named/run/fathomd.sock');
  expect(socketFor({}, { FATHOM_ENV_FILE: 'named.env' })).toBe('/named/run/fathomd.sock');
});

it('falls back to the installed daemon when nothing names another', () => {
  const installed = write('installed.sock', '');
  const found = (env = {}) =>
    findDaemonSocket(readSettingsFiles({ commandLine: {}, env, cwd }), cwd, installed);
  expect(found()).toBe(installed);
  expect(found({ FATHOM_DATA_DIR: '/data' })).toBe('/data/run/fathomd.sock');
  write('var/run/fathomd.sock', '');
  expect(found()).toBe(join(cwd, 'var/run/fathomd.sock'));
});
