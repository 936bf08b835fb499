import { expect, it } from 'vitest';
import { reloadWritten } from './backups.ts';
import { loadConfig } from './config.ts';
import { generateSecret } from './sources/secrets-file.ts';
import { GENERATED_SECRETS } from './sources/variables.ts';

const SECRETS = Object.fromEntries(GENERATED_SECRETS.map((name) => [name, generateSecret(name)]));

const load = (env: Record<string, string>) =>
  loadConfig({ commandLine: {}, env: { ...SECRETS, FATHOM_DATA_DIR: '/srv/data', ...env }, cwd: '/srv/app' })
    .config;

it.each([
  [undefined, { cron: '0 2 * * *', timezone: 'UTC' }],
  ['*/15 * * * *', { cron: '*/15 * * * *', timezone: 'UTC' }],
  ['@daily', { cron: '@daily', timezone: 'UTC' }],
  ['0 2 * * 1,3 Europe/Berlin', { cron: '0 2 * * 1,3', timezone: 'Europe/Berlin' }],
  [
    '0 2 * * MON America/Argentina/Buenos_Aires',
    { cron: '0 2 * * MON', timezone: 'America/Argentina/Buenos_Aires' },
  ],
  ['off', null],
])('the schedule %s', (written, schedule) => {
  expect(load(written === undefined ? {} : { BACKUP_SCHEDULE: written }).backups.schedule).toEqual(schedule);
});

it.each(['daily', '0 2 * *', '0 2 * * * Nowhere/Town', '0 0 30 2 *'])(
  'refuses the schedule %s',
  (written) => {
    expect(() => load({ BACKUP_SCHEDULE: written })).toThrow(
      expect.objectContaining({
        fields: [expect.objectContaining({ path: 'BACKUP_SCHEDULE' })],
      }) as Error,
    );
  },
);

it.each([
  [undefined, '/srv/data/backups'],
  ['/mnt/backups/', '/mnt/backups'],
  ['../elsewhere', '/srv/elsewhere'],
  ['s3://bucket/prefix?region=eu', 's3://bucket/prefix?region=eu'],
])('the target %s', (written, target) => {
  expect(load(written === undefined ? {} : { BACKUP_TARGET: written }).backups.target).toBe(target);
});

it.each([
  's3://bucket?endpiont=http://127.0.0.1',
  's3://bucket?lock-days=0',
  'sftp://fathom:the-secret@example.com/a',
  'sftp://example.com/a',
  '/srv/data',
  '/srv/data/user_dbs/2024-01-15-001-johndoe',
  '/srv/data/global',
  '/proc',
  '/sys/kernel/backups',
  '/dev/shm/backups',
])('refuses the target %s, and shows no password', (target) => {
  expect(() => load({ BACKUP_TARGET: target })).toThrow(
    expect.objectContaining({
      message: expect.not.stringContaining('the-secret') as string,
      fields: [expect.objectContaining({ path: 'BACKUP_TARGET' })],
    }) as Error,
  );
});

it('reads which backups are kept', () => {
  expect(load({}).backups.keep).toEqual({ hours: 0, days: 7, weeks: 4, months: 6, years: 0 });
  expect(() => load({ BACKUP_KEEP: '7 days' })).toThrow(
    expect.objectContaining({ fields: [expect.objectContaining({ path: 'BACKUP_KEEP' })] }) as Error,
  );
});

const attempt = () => load({ BACKUP_TARGET: 'ftp://user:password-of-it@host/path' });

it('refuses a target of an unknown kind, and does not show its password', () => {
  expect(attempt).toThrow(expect.objectContaining({ code: 'config.invalid' }) as Error);
  try {
    attempt();
  } catch (error) {
    expect(JSON.stringify(error)).not.toContain('password-of-it');
  }
});

it('separates secrets from other settings, and takes of a reload what it applies', () => {
  const before = load({ SERVER_PORT: '3100', LOG_LEVEL: 'info' }).written;
  expect(before.open).toEqual({ FATHOM_DATA_DIR: '/srv/data', SERVER_PORT: '3100', LOG_LEVEL: 'info' });
  expect(before.secret).toEqual(SECRETS);
  const other = generateSecret('AES_MASTER_KEY');
  const after = load({ SERVER_PORT: '3200', LOG_LEVEL: 'debug', AES_MASTER_KEY: other }).written;
  expect(reloadWritten(before, after)).toEqual({
    open: { FATHOM_DATA_DIR: '/srv/data', SERVER_PORT: '3100', LOG_LEVEL: 'debug' },
    secret: SECRETS,
  });
});
