import { parse } from 'dotenv';
import { expect, it } from 'vitest';
import { restoredSettings } from './restored-settings.ts';

const dataDir = '/var/lib/fathom';

it('writes every secret and setting as it was', () => {
  const secrets = {
    AES_MASTER_KEY: '/8Hn3+a=',
    PB_ADMIN_PASSWORD: 'with space, # and "quotes"',
    SMTP_PASSWORD: "it's `odd`",
    OIDC_CLIENT_SECRET: './x',
  };
  const settings = { SERVER_PORT: '3000', PB_PUBLIC_URL: 'https://{name}.example.com', CORS_ORIGINS: '*' };
  const text = restoredSettings({ secrets, settings, from: '/mnt/backups', dataDir });
  expect(parse(text)).toEqual({ ...secrets, ...settings, BACKUP_TARGET: '/mnt/backups' });
});

it('leaves paths of the host before to the administrator', () => {
  const settings = { LOG_DIR: '/var/log/fathom', FATHOM_APP_DIR: './apps', LOG_LEVEL: 'debug' };
  const text = restoredSettings({ secrets: {}, settings, from: '/mnt/backups', dataDir });
  expect(parse(text)).toEqual({ LOG_LEVEL: 'debug', BACKUP_TARGET: '/mnt/backups' });
  expect(text).toContain('\n#LOG_DIR=/var/log/fathom\n#FATHOM_APP_DIR=./apps\n');
});

it.each([
  ['a directory of the host before', '/mnt/backups', { BACKUP_TARGET: '/old' }, '/mnt/backups'],
  ['the default', `${dataDir}/backups`, {}, undefined],
  ['another store than the one of the restore', '/mnt/copy', { BACKUP_TARGET: 's3://b/p' }, 's3://b/p'],
])('continues the backups: %s', (_, from, settings, expected) => {
  const text = restoredSettings({ secrets: {}, settings, from, dataDir });
  expect(parse(text)['BACKUP_TARGET']).toBe(expected);
});
