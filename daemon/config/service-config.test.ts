import { randomBytes } from 'node:crypto';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { scratch } from '../../test/helpers/scratch.ts';
import { textWith } from '../../test/helpers/text-with.ts';
import { loadConfig } from './config.ts';
import { settingsThatNeedRestart } from './live-settings.ts';

const SECRETS = {
  AES_MASTER_KEY: randomBytes(32).toString('base64'),
  JWT_SECRET: randomBytes(64).toString('base64'),
  PB_ENCRYPTION_KEY: randomBytes(32).toString('base64'),
  PB_ADMIN_PASSWORD: 'a-long-password',
};

function load(cwd: string, env: Record<string, string | undefined> = {}, envFile?: string) {
  return loadConfig({ commandLine: { envFile }, env: { ...SECRETS, ...env }, cwd }).config;
}

it('systemd credentials have priority over files, under both of their names', async () => {
  const cwd = await scratch();
  await mkdir(join(cwd, 'credentials'));
  await writeFile(join(cwd, 'credentials', 'fathom_PB_ADMIN_PASSWORD'), 'handed-over-one\n');
  await writeFile(join(cwd, 'credentials', 'LOG_LEVEL'), 'error');
  await writeFile(join(cwd, '.env'), 'PB_ADMIN_PASSWORD=from-the-file\nLOG_LEVEL=warn\nSERVER_PORT=4002');
  const given = { CREDENTIALS_DIRECTORY: join(cwd, 'credentials'), PB_ADMIN_PASSWORD: undefined };
  expect(load(cwd, given)).toMatchObject({
    admin: { password: 'handed-over-one' },
    log: { level: 'error' },
    server: { port: 4002 },
  });
  const both = { ...given, PB_ADMIN_PASSWORD: 'from-the-environment' };
  expect(load(cwd, both).admin.password).toBe('from-the-environment');
});

it('names a credential that cannot be read', async () => {
  const cwd = await scratch();
  // A directory cannot be read as a file, also by root.
  await mkdir(join(cwd, 'credentials', 'JWT_SECRET'), { recursive: true });
  const given = { CREDENTIALS_DIRECTORY: join(cwd, 'credentials'), JWT_SECRET: undefined };
  expect(() => load(cwd, given)).toThrow(
    expect.objectContaining({
      fields: [
        {
          path: 'JWT_SECRET',
          message: expect.stringContaining('credentials/JWT_SECRET (EISDIR); make it') as string,
        },
      ],
    }),
  );
  expect(load(cwd, { CREDENTIALS_DIRECTORY: join(cwd, 'absent') }).log.level).toBe('info');
});

it('FATHOM_ENV_FILE names the file, unless the command line does', async () => {
  const cwd = await scratch();
  await writeFile(join(cwd, 'a.env'), 'LOG_LEVEL=warn');
  await writeFile(join(cwd, 'b.env'), 'LOG_LEVEL=error');
  expect(load(cwd, { FATHOM_ENV_FILE: 'a.env' }).log.level).toBe('warn');
  expect(load(cwd, { FATHOM_ENV_FILE: 'a.env' }, 'b.env').log.level).toBe('error');
});

it('warns about a secret with different values in two files, unless neither is used', async () => {
  const cwd = await scratch();
  const same = 'PB_ADMIN_PASSWORD=the-same-one';
  await mkdir(join(cwd, 'var'));
  await writeFile(join(cwd, '.env'), `JWT_SECRET=${'a'.repeat(40)}\n${same}`, { mode: 0o600 });
  await writeFile(join(cwd, 'var/.env'), `JWT_SECRET=${'b'.repeat(40)}\n${same}`, { mode: 0o600 });
  const unset = { ...SECRETS, JWT_SECRET: undefined, PB_ADMIN_PASSWORD: undefined };
  expect(loadConfig({ commandLine: {}, env: unset, cwd }).warnings).toEqual([
    textWith('JWT_SECRET', `${cwd}/.env`, `${cwd}/var/.env`),
  ]);
  expect(loadConfig({ commandLine: {}, env: SECRETS, cwd }).warnings).toEqual([]);
});

it('lists the changed settings that need a restart', async () => {
  const cwd = await scratch();
  const before = load(cwd);
  const reloaded = { LOG_LEVEL: 'debug', CORS_ORIGINS: 'https://a.example', RATE_LIMIT_PER_MINUTE: '7' };
  expect(settingsThatNeedRestart(before, load(cwd, reloaded))).toEqual([]);
  const other = { SERVER_PORT: '3001', AES_MASTER_KEY: randomBytes(32).toString('base64'), LOG_DIR: '/logs' };
  expect(settingsThatNeedRestart(before, load(cwd, other)).toSorted()).toEqual([
    'AES_MASTER_KEY',
    'LOG_DIR',
    'SERVER_PORT',
  ]);
});

it('a new env file without a changed setting needs no restart', async () => {
  const cwd = await scratch();
  const before = load(cwd);
  await mkdir(join(cwd, 'var'));
  await writeFile(join(cwd, 'var/.env'), 'SIGN_UP_MODE=closed\n');
  expect(settingsThatNeedRestart(before, load(cwd))).toEqual([]);
});

it('names the data directory alone when default paths follow it', async () => {
  const cwd = await scratch();
  expect(settingsThatNeedRestart(load(cwd), load(cwd, { FATHOM_DATA_DIR: '/srv/fathom' }))).toEqual([
    'FATHOM_DATA_DIR',
  ]);
});

it.each([
  ['sign_up_mode=closed', 'SIGN_UP_MODE'],
  ['Sign-Up-Mode=closed', 'SIGN_UP_MODE'],
  ['sign.up.mode: closed', 'SIGN_UP_MODE'],
  ['signup_mode=closed', 'SIGN_UP_MODE'],
  ['LOG_LEVEL=info\nSIGN_UP MODE=closed', 'SIGN_UP_MODE'],
  ['SIGN_UP_MODE closed', '.env'],
])('warns about %j, which sets nothing', async (text, word) => {
  const cwd = await scratch();
  await writeFile(join(cwd, '.env'), `${text}\n`);
  const { config, warnings } = loadConfig({ commandLine: {}, env: SECRETS, cwd });
  expect(config.signUps.mode).toBe('open');
  expect(warnings).toEqual([textWith(word)]);
});

it('warns about the case of a variable of the environment and of a credential', async () => {
  const cwd = await scratch();
  await writeFile(join(cwd, 'fathom_sign_up_mode'), 'closed');
  const env = { ...SECRETS, max_databases: '5', http_proxy: 'x', CREDENTIALS_DIRECTORY: cwd };
  expect(loadConfig({ commandLine: {}, env, cwd }).warnings).toEqual([
    textWith('max_databases', 'MAX_DATABASES'),
    textWith('sign_up_mode', 'SIGN_UP_MODE'),
  ]);
});
