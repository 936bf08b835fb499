import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { textWith } from '../../../test/helpers/text-with.ts';
import { loadConfig } from '../config.ts';
import { generateSecret } from './secrets-file.ts';
import { SETTING_NAMES } from './variables.ts';

const SECRETS = {
  AES_MASTER_KEY: generateSecret('AES_MASTER_KEY'),
  JWT_SECRET: generateSecret('JWT_SECRET'),
  PB_ENCRYPTION_KEY: generateSecret('PB_ENCRYPTION_KEY'),
  PB_ADMIN_PASSWORD: generateSecret('PB_ADMIN_PASSWORD'),
};

let cwd: string;

beforeEach(() => {
  cwd = mkdtempSync(join(tmpdir(), 'fathom-names-'));
});

afterEach(() => {
  rmSync(cwd, { recursive: true, force: true });
});

const load = (env: Record<string, string>) => loadConfig({ commandLine: {}, env, cwd });

function writeEnvFile(text: string): void {
  writeFileSync(join(cwd, '.env'), text, { mode: 0o600 });
}

describe('nested names', () => {
  it('set the same as plain ones, in the environment, in files and for secrets', () => {
    const { JWT_SECRET, ...others } = SECRETS;
    writeEnvFile(
      `FATHOM__JWT__SECRET=${JWT_SECRET}\nFATHOM__DATA__DIR=data\nFATHOM__LOG__LEVEL=warn\nSERVER_PORT=4002`,
    );
    const { config, warnings } = load({
      ...others,
      FATHOM__SERVER__PORT: '4001',
      FATHOM__PB__PORT__RANGE: '7',
      LOG_LEVEL: 'error',
    });
    expect(config).toMatchObject({
      dataDir: join(cwd, 'data'),
      server: { port: 4001 },
      ports: { range: 7 },
      log: { level: 'error' },
    });
    expect(Buffer.from(config.jwt.secret).toString()).toBe(JWT_SECRET);
    expect(config.written.open).toMatchObject({ SERVER_PORT: '4001' });
    expect(warnings).toEqual([]);
  });

  it('are problems beside a plain name with another value, in one source', () => {
    const secret = 'x'.repeat(32);
    writeEnvFile(
      `FATHOM__LOG__LEVEL=warn\nLOG_LEVEL=\nJWT_SECRET=${SECRETS.JWT_SECRET}\nFATHOM__JWT__SECRET=${secret}`,
    );
    const env = {
      ...SECRETS,
      SERVER_PORT: '4001',
      FATHOM__SERVER__PORT: '4002',
      PB_BASE_PORT: '9500',
      FATHOM__PB__BASE__PORT: ' 9500',
    };
    expect(() => load(env)).toThrow(
      expect.objectContaining({
        code: 'config.invalid',
        fields: [
          {
            path: 'SERVER_PORT',
            message: textWith('FATHOM__SERVER__PORT', 'in the environment', 'remove one'),
          },
          { path: 'JWT_SECRET', message: textWith('FATHOM__JWT__SECRET', join(cwd, '.env')) },
        ],
      }),
    );
    expect(() => load(env)).not.toThrow(secret);
  });

  it('are reported when they name no setting', () => {
    writeEnvFile('FATHOM__LOG__LEVLE=warn');
    expect(
      load({ ...SECRETS, FATHOM__SERVER_PORT: '1', fathom__data__dir: '/x', FATHOM__: '1' }).warnings,
    ).toEqual([
      textWith('FATHOM__SERVER_PORT', 'SERVER_PORT?'),
      textWith('fathom__data__dir', 'FATHOM_DATA_DIR?'),
      textWith('FATHOM__LOG__LEVLE', 'LOG_LEVEL?'),
    ]);
  });
});

it('each setting has a nested name that is no other one', () => {
  expect(new Set(SETTING_NAMES).size).toBe(SETTING_NAMES.length);
});
