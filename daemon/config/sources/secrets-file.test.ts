import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parse } from 'dotenv';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { loadConfig } from '../config.ts';
import { createEnvFile, ensureSecrets } from './secrets-file.ts';
import { GENERATED_SECRETS, type GeneratedSecret } from './variables.ts';

let dir: string;

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'fathom-secrets-'));
});

afterEach(() => {
  rmSync(dir, { recursive: true, force: true });
});

function modeOf(path: string): number {
  return statSync(path).mode & 0o777;
}

function ensure(missing: readonly GeneratedSecret[] = GENERATED_SECRETS) {
  return ensureSecrets({ dataDir: dir, userDatabasesDir: join(dir, 'user_dbs'), missing });
}

describe('createEnvFile', () => {
  it('writes all secrets of a valid configuration, mode 0600', async () => {
    const path = join(dir, 'deep/er/.env');
    await createEnvFile(path);
    expect(modeOf(path)).toBe(0o600);
    expect(modeOf(join(dir, 'deep'))).toBe(0o700);
    expect(loadConfig({ commandLine: { envFile: path }, env: {}, cwd: dir }).warnings).toEqual([]);
    const values = parse(readFileSync(path));
    expect(Buffer.from(values['JWT_SECRET'] ?? '', 'base64')).toHaveLength(64);
    expect(values['PB_ADMIN_PASSWORD']).toMatch(/^[\w-]{24}$/);
  });

  it('generates different secrets each time', async () => {
    await createEnvFile(join(dir, 'a'));
    await createEnvFile(join(dir, 'b'));
    const [a, b] = ['a', 'b'].map((name) => parse(readFileSync(join(dir, name))));
    for (const name of GENERATED_SECRETS) expect(a?.[name]).not.toBe(b?.[name]);
  });

  it('refuses to overwrite', async () => {
    writeFileSync(join(dir, '.env'), 'KEEP=1');
    await expect(createEnvFile(join(dir, '.env'))).rejects.toMatchObject({
      code: 'config.exists',
      exitCode: 73,
    });
    expect(readFileSync(join(dir, '.env'), 'utf8')).toBe('KEEP=1');
  });

  it('rejects a directory that cannot be written', async () => {
    writeFileSync(join(dir, 'file'), '');
    await expect(createEnvFile(join(dir, 'file/.env'))).rejects.toMatchObject({ code: 'data_dir.unusable' });
  });
});

describe('ensureSecrets', () => {
  it('generates missing secrets once', async () => {
    expect(await ensure()).toEqual(GENERATED_SECRETS);
    const first = readFileSync(join(dir, '.env'), 'utf8');
    expect(modeOf(join(dir, '.env'))).toBe(0o600);
    expect(await ensure()).toEqual([]);
    expect(readFileSync(join(dir, '.env'), 'utf8')).toBe(first);
  });

  it('appends only missing secrets and keeps existing lines', async () => {
    writeFileSync(join(dir, '.env'), '# mine\nJWT_SECRET=kept\nSERVER_PORT=4000', { mode: 0o644 });
    expect(await ensure()).toEqual(['AES_MASTER_KEY', 'PB_ENCRYPTION_KEY', 'PB_ADMIN_PASSWORD']);
    const text = readFileSync(join(dir, '.env'), 'utf8');
    expect(text).toMatch(/^# mine\nJWT_SECRET=kept\nSERVER_PORT=4000\n\n/);
    expect(parse(text)['JWT_SECRET']).toBe('kept');
    expect(modeOf(join(dir, '.env'))).toBe(0o600);
  });

  it('generates only the requested secrets', async () => {
    await ensure(['AES_MASTER_KEY']);
    expect(Object.keys(parse(readFileSync(join(dir, '.env'))))).toEqual(['AES_MASTER_KEY']);
  });

  it('generates one set of secrets for concurrent starts', async () => {
    const added = await Promise.all(Array.from({ length: 8 }, () => ensure()));
    expect(added.flat()).toEqual(GENERATED_SECRETS);
    expect(readFileSync(join(dir, '.env'), 'utf8').match(/^AES_MASTER_KEY=/gm)).toHaveLength(1);
  });

  it('leaves no temporary file behind', async () => {
    await ensure();
    expect(readdirSync(dir).toSorted()).toEqual(['.env', '.env.lock']);
  });

  it.each(['user_dbs/2024-01-15-001-johndoe', 'global/pb_data'])(
    'generates no new key when %s exists, which needs the original one',
    async (database) => {
      mkdirSync(join(dir, database), { recursive: true });
      await expect(ensure()).rejects.toMatchObject({
        code: 'config.invalid',
        fields: [{ path: 'AES_MASTER_KEY' }, { path: 'PB_ENCRYPTION_KEY' }],
      });
      expect(await ensure(['PB_ADMIN_PASSWORD'])).toEqual(['PB_ADMIN_PASSWORD']);
    },
  );

  it('rejects a data directory that is a file', async () => {
    const file = join(dir, 'file');
    writeFileSync(file, '');
    chmodSync(file, 0o600);
    const attempt = ensureSecrets({ dataDir: file, userDatabasesDir: file, missing: GENERATED_SECRETS });
    await expect(attempt).rejects.toMatchObject({ code: 'data_dir.unusable', exitCode: 73 });
  });
});
