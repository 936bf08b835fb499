import { randomBytes } from 'node:crypto';
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { fathomd as run } from '../helpers/fathomd.ts';
import { textWith } from '../helpers/text-with.ts';

let cwd: string;

beforeEach(() => {
  cwd = mkdtempSync(join(tmpdir(), 'fathom-config-'));
});

afterEach(() => {
  rmSync(cwd, { recursive: true, force: true });
});

async function serve(env: Record<string, string> = {}, args: string[] = []) {
  return fathomd(['serve', ...args], env);
}

async function fathomd(args: string[], env: Record<string, string>) {
  const { exitCode, stderr } = await run(args, { cwd, env });
  return { exitCode, lines: stderr.split('\n') };
}

it('a service without secrets exits 78 and makes none itself', async () => {
  const { exitCode, lines } = await serve({ FATHOM_DATA_DIR: 'data' });
  expect(exitCode).toBe(78);
  expect(lines).toContainEqual(textWith('AES_MASTER_KEY: ', "'fathomd init'"));
  expect(readdirSync(cwd)).toEqual([]);
});

it('all problems are reported at once, one line each, from every file', async () => {
  writeFileSync(join(cwd, '.env'), 'SERVER_PORT=99999\nPB_PUBLIC_URL=http://{nme}', { mode: 0o600 });
  writeFileSync(join(cwd, '.env.local'), 'LOG_LEVEL=loud', { mode: 0o600 });
  mkdirSync(join(cwd, 'var'));
  writeFileSync(join(cwd, 'var/.env'), `AES_MASTER_KEY=${randomBytes(16).toString('base64')}`, {
    mode: 0o600,
  });
  const { exitCode, lines } = await serve({ JWT_EXPIRATION_HOURS: 'never', LOG_LEVE: 'debug' });
  expect(exitCode).toBe(78);
  expect(lines[0]).toEqual(textWith('LOG_LEVE ', 'LOG_LEVEL?'));
  expect(lines.slice(2).map((line) => line.split(':')[0])).toEqual(
    expect.arrayContaining([
      'SERVER_PORT',
      'PB_PUBLIC_URL',
      'LOG_LEVEL',
      'AES_MASTER_KEY',
      'JWT_EXPIRATION_HOURS',
    ]),
  );
  expect(lines).toContainEqual(textWith('AES_MASTER_KEY: ', 16, 32, "'fathomd init'"));
});

it.each([
  ['FATHOM_DATA_DIR', 'data?x'],
  ['PB_USER_DBS_PATH', 'databases?x'],
  ['FATHOM_DATA_DIR', 'data\nx'],
])('refuses %s %j, which PocketBase would take for another path', async (name, path) => {
  const { exitCode, lines } = await serve({ [name]: path });
  expect(exitCode).toBe(78);
  expect(lines.filter((line) => line.startsWith(`${name}: `))).toHaveLength(1);
  expect(readdirSync(cwd)).toEqual([]);
});

it('warns of a value that a # cuts short, without its text', async () => {
  const line = "PB_ADMIN_PASSWORD=correct-horse#battery\nJWT_SECRET='whole#secret' # as it is meant\n";
  writeFileSync(join(cwd, '.env'), line, { mode: 0o600 });
  const { lines } = await serve();
  const warnings = lines.filter((text) => text.includes('warning') && text.includes('#'));
  expect(warnings).toEqual([textWith('PB_ADMIN_PASSWORD', join(cwd, '.env'))]);
  expect(lines.join('\n')).not.toContain('battery');
  expect(lines.join('\n')).not.toContain('correct-horse');
});

it('no secret is printed, not even a wrong one, not even with a stack', async () => {
  const wrong = { AES_MASTER_KEY: 'geheim-1', JWT_SECRET: 'geheim-2', PB_ENCRYPTION_KEY: 'geheim-3' };
  const { exitCode, lines } = await serve({ ...wrong, PB_ADMIN_PASSWORD: 'geheim', LOG_LEVEL: 'debug' });
  expect(exitCode).toBe(78);
  expect(lines.join('\n')).not.toContain('geheim');
});

it('a named file that is not there is the one problem', async () => {
  const { exitCode, lines } = await serve({}, ['--env-file', 'absent.env']);
  expect(exitCode).toBe(78);
  const path = join(cwd, 'absent.env');
  expect(lines.slice(1)).toEqual([
    textWith('--env-file: ', path, 'ENOENT', `'fathomd init --env-file ${path}'`),
  ]);
});

it.each([
  ['a named file that is not there', { FATHOM_ENV_FILE: 'absent.env' }, 'FATHOM_ENV_FILE'],
  ['a named file without secrets', { FATHOM_ENV_FILE: 'empty.env' }, 'JWT_SECRET'],
  ['a setting that is wrong', { SERVER_PORT: '99999' }, 'SERVER_PORT'],
])('a first start with %s is refused before anything is written', async (_, env, named) => {
  writeFileSync(join(cwd, 'empty.env'), '');
  const { exitCode, lines } = await fathomd(['start'], env);
  expect(exitCode).toBe(78);
  expect(lines[1]).toMatch(new RegExp(`^${named}: .+; .+`));
  expect(readdirSync(cwd)).toEqual(['empty.env']);
});
