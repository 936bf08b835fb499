import { randomBytes } from 'node:crypto';
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { FathomError, type FieldError } from '../../shared/errors.ts';
import type { SettingsInput } from '../../shared/settings-files.ts';
import { textWith } from '../../test/helpers/text-with.ts';
import { loadConfig, loadEdgeConfig } from './config.ts';

const SECRETS = {
  AES_MASTER_KEY: randomBytes(32).toString('base64'),
  JWT_SECRET: randomBytes(64).toString('base64'),
  PB_ENCRYPTION_KEY: randomBytes(32).toString('base64'),
  PB_ADMIN_PASSWORD: 'a-long-password',
};

let cwd: string;

beforeEach(() => {
  cwd = mkdtempSync(join(tmpdir(), 'fathom-config-'));
});

afterEach(() => {
  rmSync(cwd, { recursive: true, force: true });
});

function load(env: Record<string, string | undefined> = {}, commandLine: SettingsInput['commandLine'] = {}) {
  return loadConfig({ commandLine, env: { ...SECRETS, ...env }, cwd });
}

function problemsOf(
  env: Record<string, string | undefined>,
  commandLine: SettingsInput['commandLine'] = {},
): readonly FieldError[] {
  try {
    load(env, commandLine);
  } catch (error) {
    if (!(error instanceof FathomError)) throw error;
    expect(error).toMatchObject({ code: 'config.invalid', exitCode: 78 });
    return error.fields;
  }
  return [];
}

function writePrivate(path: string, text: string): void {
  writeFileSync(path, text, { mode: 0o600 });
}

describe('defaults', () => {
  it('are the documented ones', () => {
    const { config } = load();
    expect(config).toMatchObject({
      dataDir: join(cwd, 'var'),
      userDatabasesDir: join(cwd, 'var/user_dbs'),
      socketPath: join(cwd, 'var/run/fathomd.sock'),
      server: { host: '127.0.0.1', port: 3000 },
      corsOrigins: [],
      globalPort: 8090,
      bindAddress: '127.0.0.1',
      publicUrl: 'http://{host}:{port}',
      ports: { base: 9000, range: 1000 },
      binaryPath: null,
      sandbox: 'auto',
      cgroup: 'auto',
      healthIntervalMs: 30_000,
      worker: { concurrency: 1, pollIntervalMs: 5000 },
      tasksDir: join(cwd, 'var/tasks'),
      admin: { email: 'admin@fathom.local', password: 'a-long-password' },
      log: { level: 'info', dir: null, retentionMs: 14 * 86_400_000, maxBytes: 32 * 1024 * 1024 },
      oauth: { google: null, github: null, oidc: null },
    });
    expect(config.jwt.expirationHours).toBe(24);
  });

  it('replace empty values', () => {
    expect(load({ SERVER_PORT: '', LOG_DIR: ' ' }).config).toMatchObject({
      server: { port: 3000 },
      log: { dir: null },
    });
  });

  it('of paths depend on the data directory', () => {
    expect(load({}, { dataDir: '/srv/fathom' }).config.socketPath).toBe('/srv/fathom/run/fathomd.sock');
  });
});

function loadEdge(env: Record<string, string>) {
  return loadEdgeConfig({ commandLine: {}, env, cwd });
}

describe('of a reverse proxy', () => {
  it('needs no secret but the token', () => {
    const token = 'x'.repeat(32);
    expect(loadEdge({ EDGE_TOKEN: token, SERVER_HOST: '172.29.91.2' })).toMatchObject({
      edgeToken: token,
      server: { host: '172.29.91.2', port: 3000 },
      bindAddress: '127.0.0.1',
    });
  });

  it.each([
    [{}, ['EDGE_TOKEN']],
    [{ EDGE_TOKEN: 'short', SERVER_PORT: 'many' }, ['SERVER_PORT', 'EDGE_TOKEN']],
    [{ EDGE_TOKEN: `"; } ${'x'.repeat(32)}` }, ['EDGE_TOKEN']],
  ])('has problems with %o', (env, paths) => {
    const fields = paths.map((path) => expect.objectContaining({ path }));
    expect(() => loadEdge(env)).toThrow(expect.objectContaining({ code: 'config.invalid', fields }));
  });
});

it('is frozen at every level', () => {
  const { config } = load({ CORS_ORIGINS: 'https://a.example' });
  expect(Object.isFrozen(config)).toBe(true);
  expect(Object.isFrozen(config.server)).toBe(true);
  expect(Object.isFrozen(config.corsOrigins)).toBe(true);
});

it('decodes the keys, and uses JWT_SECRET as text', () => {
  const { config } = load();
  expect(Buffer.from(config.aesMasterKey).toString('base64')).toBe(SECRETS.AES_MASTER_KEY);
  expect(config.pbEncryptionKey).toHaveLength(32);
  expect(Buffer.from(config.jwt.secret).toString()).toBe(SECRETS.JWT_SECRET);
});

describe('precedence', () => {
  it('is command line, environment, .env, .env.local', () => {
    writePrivate(join(cwd, '.env'), 'FATHOM_DATA_DIR=b\nSERVER_PORT=4002\nPB_GLOBAL_PORT=5002');
    writePrivate(join(cwd, '.env.local'), 'PB_GLOBAL_PORT=5003\nLOG_LEVEL=warn');
    const { config } = load({ FATHOM_DATA_DIR: 'a', SERVER_PORT: '4001' }, { dataDir: 'c' });
    expect(config.dataDir).toBe(join(cwd, 'c'));
    expect(config.server.port).toBe(4001);
    expect(config.globalPort).toBe(5002);
    expect(config.log.level).toBe('warn');
  });

  it('ends with the file in the data directory', () => {
    mkdirSync(join(cwd, 'data'));
    writePrivate(join(cwd, '.env'), 'FATHOM_DATA_DIR=data\nSERVER_PORT=4002');
    writePrivate(join(cwd, 'data/.env'), 'SERVER_PORT=4003\nLOG_LEVEL=warn');
    const { config } = load();
    expect(config.server.port).toBe(4002);
    expect(config.log.level).toBe('warn');
  });

  it('ignores all other files when one is named', () => {
    writePrivate(join(cwd, '.env'), 'LOG_LEVEL=warn');
    writePrivate(join(cwd, 'other.env'), 'SERVER_PORT=4004');
    const { config } = load({}, { envFile: 'other.env' });
    expect(config.server.port).toBe(4004);
    expect(config.log.level).toBe('info');
  });

  it('reports the source of the administrator password', () => {
    writePrivate(join(cwd, '.env'), 'PB_ADMIN_PASSWORD=another-password');
    expect(load().adminPasswordOrigin).toBe('the environment');
    expect(load({ PB_ADMIN_PASSWORD: undefined }).adminPasswordOrigin).toBe(join(cwd, '.env'));
  });

  it('does not change the environment of the process', () => {
    writePrivate(join(cwd, '.env'), 'FATHOM_CONFIG_TEST=1');
    load();
    expect(process.env['FATHOM_CONFIG_TEST']).toBeUndefined();
  });
});

describe('problems', () => {
  it('are reported together', () => {
    const problems = problemsOf({
      AES_MASTER_KEY: undefined,
      SERVER_PORT: 'x',
      LOG_LEVEL: 'loud',
      PB_ADMIN_EMAIL: 'me',
    });
    expect(problems.map(({ path }) => path)).toEqual(
      expect.arrayContaining(['AES_MASTER_KEY', 'SERVER_PORT', 'LOG_LEVEL', 'PB_ADMIN_EMAIL']),
    );
    expect(problems).toHaveLength(4);
  });

  it('name the variable, its value and the command that fixes it', () => {
    const AES_MASTER_KEY = randomBytes(16).toString('base64');
    expect(problemsOf({ AES_MASTER_KEY })).toEqual([
      { path: 'AES_MASTER_KEY', message: textWith(16, 32, "'fathomd init'") },
    ]);
    expect(problemsOf({ JWT_SECRET: undefined })).toEqual([
      { path: 'JWT_SECRET', message: textWith("'fathomd init'") },
    ]);
  });

  it('are not searched further when the named file cannot be read', () => {
    const path = join(cwd, 'absent.env');
    expect(problemsOf({ AES_MASTER_KEY: undefined }, { envFile: 'absent.env' })).toEqual([
      { path: '--env-file', message: textWith(path, 'ENOENT', `fathomd init --env-file ${path}`) },
    ]);
  });

  it.each([
    ['AES_MASTER_KEY', `${'A'.repeat(42)}-_`],
    ['AES_MASTER_KEY', `${SECRETS.AES_MASTER_KEY} ${SECRETS.AES_MASTER_KEY}`],
    ['PB_ENCRYPTION_KEY', SECRETS.PB_ENCRYPTION_KEY.replace('=', '')],
    ['PB_ENCRYPTION_KEY', 'sehr-geheim'],
    ['JWT_SECRET', 'sehr-geheim'],
    ['PB_ADMIN_PASSWORD', 'geheim'],
    ['PB_ADMIN_PASSWORD', 'geheim'.repeat(12)],
    ['PB_ADMIN_PASSWORD', 'ä'.repeat(36)],
  ])('never show an invalid value of %s', (name, value) => {
    const [problem, ...others] = problemsOf({ [name]: value });
    expect([problem?.path, others]).toEqual([name, []]);
    expect(problem?.message).not.toContain(value);
    expect(problem?.message).not.toContain('geheim');
  });

  it.each([
    ['SERVER_PORT', '0'],
    ['SERVER_PORT', '65536'],
    ['SERVER_PORT', '3000.5'],
    ['SERVER_PORT', '0x10'],
    ['SERVER_PORT', '-1'],
    ['PB_GLOBAL_PORT', '1e3'],
    ['PB_PORT_RANGE', '0'],
    ['DATABASE_MEMORY_MB', '63'],
    ['DATABASE_INACTIVE_DAYS', '13'],
    ['SLEEP_AFTER', '1'],
    ['SLEEP_AFTER', '5'],
    ['MAX_AWAKE', '-1'],
    ['PB_HEALTH_INTERVAL', '0'],
    ['WORKER_CONCURRENCY', 'many'],
    ['QUEUE_POLL_INTERVAL', '5s'],
    ['JWT_EXPIRATION_HOURS', '0'],
    ['LOG_RETENTION_DAYS', '-3'],
    ['SERVER_HOST', 'http://localhost'],
    ['SERVER_HOST', '127.0.0.1:80'],
    ['SERVER_HOST', '256.1.1.1'],
    ['SERVER_HOST', '[::1]'],
    ['PB_BIND_ADDRESS', 'a b'],
    ['PB_PUBLIC_URL', 'http://{nope}'],
    ['PB_ADMIN_EMAIL', 'nobody@'],
    ['FATHOM_DATA_DIR', '~/fathom'],
    ['FATHOM_SOCKET', `/tmp/${'x'.repeat(103)}`],
    ['CORS_ORIGINS', '*'],
    ['CORS_ORIGINS', 'https://a.example/'],
    ['CORS_ORIGINS', 'https://a.example, b.example'],
    ['CORS_ORIGINS', 'file:///tmp'],
  ])('are found in %s=%s', (name, value) => {
    expect(problemsOf({ [name]: value })).toEqual([{ path: name, message: expect.stringMatching(/./) }]);
  });

  it.each([
    ['SERVER_HOST', '::'],
    ['SERVER_HOST', 'db.internal.example'],
    ['PB_BIND_ADDRESS', '10.0.0.7'],
    ['PB_PUBLIC_URL', 'https://{name}.db.example.com'],
    ['CORS_ORIGINS', 'https://a.example, http://localhost:5173'],
    ['FATHOM_SOCKET', `/tmp/${'x'.repeat(102)}`],
    ['LOG_LEVEL', 'DEBUG'],
    ['PB_ADMIN_PASSWORD', 'x'.repeat(71)],
    ['JWT_SECRET', 'x'.repeat(32)],
  ])('are not found in %s=%s', (name, value) => {
    expect(problemsOf({ [name]: value })).toEqual([]);
  });

  it('are found where ports collide', () => {
    expect(problemsOf({ SERVER_PORT: '8090' })).toEqual([
      { path: 'PB_GLOBAL_PORT', message: textWith(8090, 'SERVER_PORT') },
    ]);
    expect(problemsOf({ SERVER_PORT: '9000' })).toEqual([
      { path: 'SERVER_PORT', message: textWith(9000, 9999) },
    ]);
    expect(problemsOf({ PB_GLOBAL_PORT: '9999' })).toEqual([
      { path: 'PB_GLOBAL_PORT', message: textWith(9000, 9999) },
    ]);
    expect(problemsOf({ SERVER_PORT: '10000' })).toEqual([]);
  });

  it('are found where the range passes the last port', () => {
    expect(problemsOf({ PB_BASE_PORT: '65000', PB_PORT_RANGE: '537' })).toEqual([
      { path: 'PB_PORT_RANGE', message: textWith(65000, 537) },
    ]);
    expect(problemsOf({ PB_BASE_PORT: '65000', PB_PORT_RANGE: '536' })).toEqual([]);
  });

  it('show an invalid value shortened and on one line', () => {
    const [problem] = problemsOf({ SERVER_PORT: `1\n\u001B[31m${'9'.repeat(100)}` });
    // oxlint-disable-next-line no-control-regex -- the characters that must be absent
    expect(problem?.message).not.toMatch(/[\n\u001B]/);
    expect(problem?.message.length).toBeLessThan(150);
  });
});

describe('sign-in providers', () => {
  it('are enabled by id and secret', () => {
    const { config } = load({ GITHUB_CLIENT_ID: 'id', GITHUB_CLIENT_SECRET: 'secret' });
    expect(config.oauth.github).toEqual({ clientId: 'id', clientSecret: 'secret' });
  });

  it('need both id and secret', () => {
    expect(problemsOf({ GOOGLE_CLIENT_ID: 'id' })).toEqual([
      { path: 'GOOGLE_CLIENT_SECRET', message: textWith('GOOGLE_CLIENT_ID') },
    ]);
    expect(problemsOf({ GOOGLE_CLIENT_SECRET: 'geheim' })).toEqual([
      { path: 'GOOGLE_CLIENT_ID', message: textWith('GOOGLE_CLIENT_SECRET') },
    ]);
  });

  it('need the endpoints of OpenID Connect', () => {
    const pair = { OIDC_CLIENT_ID: 'id', OIDC_CLIENT_SECRET: 'secret' };
    expect(problemsOf(pair)).toHaveLength(3);
    const urls = {
      OIDC_AUTH_URL: 'https://id.example/auth',
      OIDC_TOKEN_URL: 'https://id.example/token',
      OIDC_USER_INFO_URL: 'https://id.example/userinfo',
    };
    expect(load({ ...pair, ...urls }).config.oauth.oidc).toMatchObject({
      authUrl: 'https://id.example/auth',
    });
    const [problem] = problemsOf({ ...pair, ...urls, OIDC_AUTH_URL: 'https://me:geheim@id.example' });
    expect(problem?.path).toBe('OIDC_AUTH_URL');
    expect(problem?.message).not.toContain('geheim');
  });
});

describe('mail', () => {
  const MAIL = {
    SMTP_HOST: 'mail.example.com',
    MAIL_FROM: 'noreply@example.com',
    PUBLIC_URL: 'https://fathom.example.com/',
  };

  it('is off without SMTP_HOST, and has defaults with it', () => {
    expect(load({ SMTP_PORT: '25' }).config).toMatchObject({ mail: null, siteUrl: null });
    expect(load(MAIL).config).toMatchObject({
      mail: {
        host: 'mail.example.com',
        port: 587,
        tls: 'starttls',
        login: null,
        from: { name: 'Fathom', address: 'noreply@example.com' },
      },
      siteUrl: 'https://fathom.example.com',
    });
  });

  it.each([
    ['Example Cloud <noreply@example.com>', 'Example Cloud'],
    ['"Example, Inc." <noreply@example.com>', 'Example, Inc.'],
    ['Ünïcode <noreply@example.com>', 'Ünïcode'],
    ['<noreply@example.com>', 'Fathom'],
  ])('takes the sender %s', (sender, name) => {
    expect(load({ ...MAIL, MAIL_FROM: sender }).config.mail?.from).toEqual({
      name,
      address: 'noreply@example.com',
    });
  });

  it.each([
    [{ MAIL_FROM: undefined }, 'MAIL_FROM'],
    [{ PUBLIC_URL: undefined }, 'PUBLIC_URL'],
    [{ MAIL_FROM: 'Ann' }, 'MAIL_FROM'],
    [{ MAIL_FROM: 'a@example.com, b@example.com' }, 'MAIL_FROM'],
    [{ MAIL_FROM: 'Ann <a@example.com> <b@example.com>' }, 'MAIL_FROM'],
    [{ MAIL_FROM: 'Ann\r\nBcc: b@example.com <a@example.com>' }, 'MAIL_FROM'],
    [{ SMTP_HOST: 'mail.example.com:587' }, 'SMTP_HOST'],
    [{ SMTP_HOST: 'https://mail.example.com' }, 'SMTP_HOST'],
    [{ SMTP_PORT: '0' }, 'SMTP_PORT'],
    [{ SMTP_TLS: 'true' }, 'SMTP_TLS'],
    [{ SMTP_USER: 'fathom' }, 'SMTP_PASSWORD'],
    [{ SMTP_PASSWORD: 'a secret password' }, 'SMTP_USER'],
    [{ PUBLIC_URL: 'fathom.example.com' }, 'PUBLIC_URL'],
    [{ PUBLIC_URL: 'javascript:alert(1)' }, 'PUBLIC_URL'],
    [{ PUBLIC_URL: 'https://u:p@fathom.example.com' }, 'PUBLIC_URL'],
    [{ PUBLIC_URL: 'https://fathom.example.com/?a=b' }, 'PUBLIC_URL'],
  ])('refuses %j', (settings, name) => {
    const problems = problemsOf({ ...MAIL, ...settings });
    expect(problems.map(({ path }) => path)).toEqual([name]);
    expect(JSON.stringify(problems)).not.toContain('a secret password');
  });

  it.each([
    [{ SMTP_PORT: '465' }, ['SMTP_TLS', '465']],
    [{ SMTP_TLS: 'implicit' }, ['SMTP_TLS', '587']],
    [{ SMTP_TLS: 'off' }, ['SMTP_TLS']],
    [{ PUBLIC_URL: 'http://fathom.example.com' }, ['PUBLIC_URL']],
  ])('warns about %j', (settings, words) => {
    expect(load({ ...MAIL, ...settings }).warnings).toEqual([textWith(...words)]);
  });

  it('does not warn about a mail server on this host', () => {
    expect(load({ ...MAIL, SMTP_HOST: 'localhost', SMTP_PORT: '25', SMTP_TLS: 'off' }).warnings).toEqual([]);
  });
});

describe('warnings', () => {
  it('suggest the closest variable for an unknown one', () => {
    writePrivate(join(cwd, '.env'), 'SERVER_PROT=1');
    expect(load({ PB_BSE_PORT: '1' }).warnings).toEqual([
      textWith('PB_BSE_PORT', 'PB_BASE_PORT'),
      textWith('SERVER_PROT', 'SERVER_PORT'),
    ]);
  });

  it('are part of the error when the configuration is invalid', () => {
    expect(() => load({ SERVER_PORT: 'x', PB_USER_DB_PATH: '/x' })).toThrow(
      expect.objectContaining({
        fields: [expect.objectContaining({ path: 'SERVER_PORT' })],
        warnings: [textWith('PB_USER_DB_PATH', 'PB_USER_DBS_PATH')],
      }),
    );
  });

  it('ignore the variables of other programs', () => {
    expect(load({ HOME: '/root', PATH: '/bin', GITHUB_TOKEN: 'x', FATHOM_TOKEN: 'x' }).warnings).toEqual([]);
  });

  it('report a file with secrets that other users can read', () => {
    const path = join(cwd, '.env');
    writePrivate(path, 'JWT_SECRET=');
    chmodSync(path, 0o644);
    expect(load().warnings).toEqual([]);
    writePrivate(path, `JWT_SECRET=${SECRETS.JWT_SECRET}`);
    expect(load().warnings).toEqual([expect.stringContaining(`'chmod 600 ${path}'`)]);
  });

  it('report a file that cannot be read', () => {
    mkdirSync(join(cwd, '.env'));
    expect(load().warnings).toEqual([textWith(join(cwd, '.env'), 'not a regular file')]);
  });

  it('report a public URL that other machines cannot reach', () => {
    expect(load({ PB_BIND_ADDRESS: '0.0.0.0' }).warnings).toEqual([
      textWith('PB_PUBLIC_URL', 'PB_BIND_ADDRESS', '0.0.0.0'),
    ]);
    expect(
      load({ PB_BIND_ADDRESS: '0.0.0.0', PB_PUBLIC_URL: 'https://{name}.example.com' }).warnings,
    ).toEqual([]);
  });
});
