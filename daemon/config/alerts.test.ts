import { describe, expect, it } from 'vitest';
import { settingProblems } from '../../test/helpers/setting-problems.ts';
import { loadConfig } from './config.ts';

const SECRETS = {
  AES_MASTER_KEY: Buffer.alloc(32, 1).toString('base64'),
  JWT_SECRET: 'x'.repeat(64),
  PB_ENCRYPTION_KEY: Buffer.alloc(32, 2).toString('base64'),
  PB_ADMIN_PASSWORD: 'a-long-password',
};
const MAIL = { SMTP_HOST: 'mail.example.com', MAIL_FROM: 'a@example.com', PUBLIC_URL: 'https://example.com' };
const SECRET = `whsec_${Buffer.alloc(32, 3).toString('base64')}`;

const load = (env: Partial<Record<string, string>>) =>
  loadConfig({ commandLine: {}, env: { ...SECRETS, ...env }, cwd: '/nowhere' });

const warnings = (url: string) =>
  load({ ALERT_WEBHOOK_URL: url, ALERT_WEBHOOK_SECRET: SECRET }).warnings.filter((text) =>
    text.startsWith('ALERT'),
  );

const problemsOf = (env: Partial<Record<string, string>>) => settingProblems(() => load(env));

describe('settings of alerts', () => {
  it('are off by default', () => {
    expect(load({}).config.alerts).toEqual({
      webhook: null,
      mailTo: [],
      command: null,
      intervalMs: 300_000,
      quietHours: null,
      heartbeat: null,
    });
  });

  it('are read', () => {
    const { alerts } = load({
      ...MAIL,
      ALERT_WEBHOOK_URL: 'https://ops.example.com/a?token=b',
      ALERT_WEBHOOK_SECRET: SECRET,
      ALERT_MAIL_TO: 'ops@example.com, dev@example.com',
      ALERT_COMMAND: 'bin/alert',
      ALERT_INTERVAL: '10',
      ALERT_QUIET_HOURS: '22:00-7:30 Europe/Berlin',
      HEARTBEAT_URL: 'https://hc.example.com/x',
      HEARTBEAT_INTERVAL: '2',
    }).config;
    expect(alerts).toMatchObject({
      webhook: { url: 'https://ops.example.com/a?token=b' },
      mailTo: ['ops@example.com', 'dev@example.com'],
      command: '/nowhere/bin/alert',
      intervalMs: 600_000,
      quietHours: { from: 1320, to: 450, timezone: 'Europe/Berlin' },
      heartbeat: { url: 'https://hc.example.com/x', intervalMs: 120_000 },
    });
    expect(Buffer.from(alerts.webhook?.secret ?? []).equals(Buffer.alloc(32, 3))).toBe(true);
  });

  it.each([
    [{ ALERT_WEBHOOK_URL: 'https://a.example' }, /^ALERT_WEBHOOK_SECRET: is required with ALERT_WEBHOOK_URL/],
    [{ ALERT_WEBHOOK_SECRET: SECRET }, /^ALERT_WEBHOOK_URL: is required with ALERT_WEBHOOK_SECRET/],
    [{ ALERT_WEBHOOK_URL: 'https://a.example', ALERT_WEBHOOK_SECRET: 'whsec_c2hvcnQ=' }, /24 to 64 bytes/],
    [{ ALERT_WEBHOOK_URL: 'https://a.example', ALERT_WEBHOOK_SECRET: 'whsec_ü' }, /24 to 64 bytes/],
    [{ EVENT_WEBHOOK_URL: 'https://a.example' }, /^EVENT_WEBHOOK_SECRET: is required with EVENT_WEBHOOK_URL/],
    [{ HEARTBEAT_URL: 'ftp://a.example' }, /^HEARTBEAT_URL: is not an http or https URL/],
    [{ HEARTBEAT_URL: 'http://a.example:0' }, /has port 0/],
    [{ HEARTBEAT_URL: 'https://user:hidden@a.example' }, /must not contain a user name/],
    [{ ALERT_MAIL_TO: 'ops@example.com' }, /needs a mail server/],
    [{ ...MAIL, ALERT_MAIL_TO: 'ops@example.com, Ann <a@b.c>' }, /entry 2 is not an e-mail address/],
    [
      { ...MAIL, ALERT_MAIL_TO: Array.from({ length: 21 }, (_, n) => `a${n}@b.c`).join() },
      /has 21 addresses, at most 20/,
    ],
    [{ ALERT_QUIET_HOURS: 'at night' }, /is not a time of the day/],
    [{ ALERT_QUIET_HOURS: '22:00-22:00' }, /is not a time of the day/],
    [{ ALERT_QUIET_HOURS: '22:00-24:30' }, /is not a time of the day/],
    [{ ALERT_QUIET_HOURS: '22:00-07:00 Mars/Base' }, /is not a time of the day/],
    [{ ALERT_INTERVAL: '0' }, /^ALERT_INTERVAL: '0' is not a whole number from 1/],
  ])('refuses %o', (env, message) => {
    const problems = problemsOf(env);
    expect(problems).toEqual([expect.stringMatching(message)]);
    expect(problems.join()).not.toMatch(/hidden|c2hvcnQ/);
  });

  it('warns about a webhook without encryption, except on this host', () => {
    expect(warnings('http://ops.example.com/token')).toEqual([
      'ALERT_WEBHOOK_URL: webhooks are sent without encryption; use https',
    ]);
    expect([...warnings('http://127.0.0.1/x'), ...warnings('https://ops.example.com')]).toEqual([]);
  });
});
