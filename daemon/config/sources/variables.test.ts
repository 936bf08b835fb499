import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parse } from 'dotenv';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { loadConfig } from '../config.ts';
import { settingsThatNeedRestart } from '../live-settings.ts';
import { generateSecret } from './secrets-file.ts';
import type { Setting } from './setting.ts';
import { GENERATED_SECRETS, SETTINGS, VARIABLES, type Variable } from './variables.ts';

const SECRETS = Object.fromEntries(GENERATED_SECRETS.map((name) => [name, generateSecret(name)]));

const WEBHOOK_SECRET = `whsec_${generateSecret('AES_MASTER_KEY')}`;

/** A set of settings that is valid, so that each one can be changed alone. */
const BEFORE: Partial<Record<Variable, string>> = {
  ...SECRETS,
  FATHOM_SOCKET: '/run/fathom/fathomd.sock',
  GOOGLE_CLIENT_ID: 'google',
  GOOGLE_CLIENT_SECRET: 'google-secret',
  GITHUB_CLIENT_ID: 'github',
  GITHUB_CLIENT_SECRET: 'github-secret',
  OIDC_CLIENT_ID: 'oidc',
  OIDC_CLIENT_SECRET: 'oidc-secret',
  OIDC_AUTH_URL: 'https://id.example.com/auth',
  OIDC_TOKEN_URL: 'https://id.example.com/token',
  OIDC_USER_INFO_URL: 'https://id.example.com/me',
  SMTP_HOST: 'mail.example.com',
  SMTP_USER: 'fathom',
  SMTP_PASSWORD: 'smtp-secret',
  MAIL_FROM: 'noreply@example.com',
  PUBLIC_URL: 'https://fathom.example.com',
  ALERT_WEBHOOK_URL: 'https://ops.example.com/fathom',
  ALERT_WEBHOOK_SECRET: WEBHOOK_SECRET,
  EVENT_WEBHOOK_URL: 'https://app.example.com/events',
  EVENT_WEBHOOK_SECRET: WEBHOOK_SECRET,
  FATHOM_CLUSTER: 'https://10.0.0.1:2379',
  FATHOM_NODE_ADDRESS: '10.0.0.3',
  FATHOM_CLUSTER_CERT: '/etc/fathom/node.crt',
  FATHOM_CLUSTER_KEY: '/etc/fathom/node.key',
  FATHOM_CLUSTER_USER: 'fathom',
  FATHOM_CLUSTER_PASSWORD_FILE: '/etc/fathom/password',
};

const CHANGED: Partial<Record<Variable, string>> = {
  PB_ADMIN_EMAIL: 'other@example.com',
  FATHOM_SOCKET: '/run/other.sock',
  FATHOM_WEB: 'off',
  CORS_ORIGINS: 'https://app.example.com',
  TRUSTED_PROXIES: '10.0.0.1',
  QUEUE_ALLOWED_TARGETS: 'localhost:25',
  PB_PUBLIC_URL: 'https://{name}.example.com',
  DATABASE_MEMORY_MB: '512',
  DATABASE_INACTIVE_DAYS: '90',
  SLEEP_AFTER: '30',
  SIGN_UP_MODE: 'closed',
  SMTP_TLS: 'implicit',
  MAIL_FROM: 'Example <other@example.com>',
  PB_GLOBAL_VERSION: '0.40.1',
  PB_SANDBOX: 'off',
  OWNER_ACCESS: 'developer',
  OWNER_ALLOWED_TARGETS: 'localhost:25',
  METRICS_DATABASES: 'all',
  QUEUE_SANDBOX: 'off',
  FATHOM_CGROUP: 'off',
  LOG_LEVEL: 'debug',
  BACKUP_SCHEDULE: 'off',
  BACKUP_BEFORE_CHANGES: 'off',
  BACKUP_DRILLS: 'off',
  BACKUP_KEEP: '1d',
  ALERT_WEBHOOK_SECRET: `whsec_${generateSecret('AES_MASTER_KEY')}`,
  EVENT_WEBHOOK_SECRET: `whsec_${generateSecret('AES_MASTER_KEY')}`,
  FATHOM_CLUSTER: 'https://10.0.0.2:2379',
  FATHOM_FENCE: 'on',
  FATHOM_FLEET_ID: '0b5c5a38-6a53-4a52-9f0d-0d1f1c1f4e11',
  ALERT_MAIL_TO: 'ops@example.com',
  ALERT_QUIET_HOURS: '22:00-07:00',
};

let cwd: string;

beforeEach(() => {
  cwd = mkdtempSync(join(tmpdir(), 'fathom-variables-'));
});

afterEach(() => {
  rmSync(cwd, { recursive: true, force: true });
});

const load = (env: Partial<Record<Variable, string>>) => loadConfig({ commandLine: {}, env, cwd }).config;

function changedValue(name: Variable): string {
  const setting: Setting = SETTINGS[name];
  if (CHANGED[name] !== undefined) return CHANGED[name];
  switch (setting.type) {
    case 'key':
    case 'secret':
      return generateSecret(setting.type === 'key' ? 'AES_MASTER_KEY' : 'PB_ADMIN_PASSWORD').repeat(
        setting.type === 'key' ? 1 : 2,
      );
    case 'number':
      return String(setting.default + 1);
    case 'host':
      return '127.0.0.2';
    case 'path':
      return '/srv/other';
    default:
      return setting.type === 'URL' ? 'https://other.example.com' : 'other';
  }
}

it.each(VARIABLES)(
  '%s is applied by a reload, or named as one that needs a restart, as the table says',
  (name) => {
    const left = settingsThatNeedRestart(load(BEFORE), load({ ...BEFORE, [name]: changedValue(name) }));
    const setting: Setting = SETTINGS[name];
    expect(left).toEqual(setting.reload === true ? [] : [name]);
  },
);

it('takes the defaults of .env.sample', () => {
  const sample = readFileSync(join(import.meta.dirname, '../../../.env.sample'), 'utf8');
  const everything = parse(sample.replaceAll(/^#(?=[A-Z_]+=)/gm, ''));
  expect(Object.keys(everything).toSorted()).toEqual([...VARIABLES].toSorted());
  const { written, ...config } = load({ ...everything, ...SECRETS });
  const { written: little, ...defaults } = load(SECRETS);
  expect(config).toEqual(defaults);
  expect(written.secret).toEqual(little.secret);
});
