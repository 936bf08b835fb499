import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parse } from 'dotenv';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { packageRoot } from '../../base/package.ts';
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

const create = (path: string) =>
  createEnvFile(path, { dataDir: dir, userDatabasesDir: join(dir, 'user_dbs') });

describe('createEnvFile', () => {
  it('writes all secrets of a valid configuration, mode 0600', async () => {
    const path = join(dir, 'deep/er/.env');
    await create(path);
    expect(modeOf(path)).toBe(0o600);
    expect(modeOf(join(dir, 'deep'))).toBe(0o700);
    expect(loadConfig({ commandLine: { envFile: path }, env: {}, cwd: dir }).warnings).toEqual([]);
    const values = parse(readFileSync(path));
    expect(Buffer.from(values['JWT_SECRET'] ?? '', 'base64')).toHaveLength(64);
    expect(values['PB_ADMIN_PASSWORD']).toMatch(/^[\w-]{24}$/);
  });

  it('generates different secrets each time', async () => {
    await create(join(dir, 'a'));
    await create(join(dir, 'b'));
    const [a, b] = ['a', 'b'].map((name) => parse(readFileSync(join(dir, name))));
    for (const name of GENERATED_SECRETS) expect(a?.[name]).not.toBe(b?.[name]);
  });

  it('fills the empty secrets of a copy of the sample, and changes nothing else', async () => {
    const path = join(dir, '.env');
    const sample = readFileSync(join(packageRoot(), '.env.sample'), 'utf8');
    writeFileSync(path, sample.replace(/^PB_ADMIN_PASSWORD=$/m, 'PB_ADMIN_PASSWORD=my-own-password-7'));
    expect(await create(path)).toEqual(GENERATED_SECRETS.filter((name) => name !== 'PB_ADMIN_PASSWORD'));
    expect(modeOf(path)).toBe(0o600);
    expect(loadConfig({ commandLine: { envFile: path }, env: {}, cwd: dir }).warnings).toEqual([]);
    const lines = readFileSync(path, 'utf8').split('\n');
    const changed = sample.split('\n').filter((line, index) => line !== lines[index]);
    expect(changed).toEqual(GENERATED_SECRETS.map((name) => `${name}=`));
    expect(parse(readFileSync(path))['PB_ADMIN_PASSWORD']).toBe('my-own-password-7');
    await expect(create(path)).rejects.toMatchObject({ code: 'config.exists' });
  });

  it('keeps a link, and replaces no key that data needs', async () => {
    writeFileSync(join(dir, 'real'), 'export JWT_SECRET= # none yet\nAES_MASTER_KEY=""\nJWT_SECRET=\n');
    symlinkSync(join(dir, 'real'), join(dir, '.env'));
    mkdirSync(join(dir, 'global', 'pb_data'), { recursive: true });
    await expect(create(join(dir, '.env'))).rejects.toMatchObject({ code: 'config.invalid' });
    rmSync(join(dir, 'global'), { recursive: true });
    expect(await create(join(dir, '.env'))).toEqual(['AES_MASTER_KEY', 'JWT_SECRET']);
    expect(readFileSync(join(dir, 'real'), 'utf8')).toMatch(
      /^export JWT_SECRET=(\S+)\nAES_MASTER_KEY=\S+\nJWT_SECRET=\1\n$/,
    );
  });

  it('fills a nested name, and leaves a secret that the other name sets', async () => {
    const path = join(dir, '.env');
    writeFileSync(path, 'FATHOM__JWT__SECRET=\nAES_MASTER_KEY=\nFATHOM__AES__MASTER__KEY=kept\n');
    expect(await create(path)).toEqual(['JWT_SECRET']);
    expect(readFileSync(path, 'utf8')).toMatch(
      /^FATHOM__JWT__SECRET=\S{80,}\nAES_MASTER_KEY=\nFATHOM__AES__MASTER__KEY=kept\n$/,
    );
  });

  it('refuses to overwrite', async () => {
    writeFileSync(join(dir, '.env'), 'KEEP=1');
    await expect(create(join(dir, '.env'))).rejects.toMatchObject({
      code: 'config.exists',
      exitCode: 73,
    });
    expect(readFileSync(join(dir, '.env'), 'utf8')).toBe('KEEP=1');
  });

  it('rejects a directory that cannot be written', async () => {
    writeFileSync(join(dir, 'file'), '');
    await expect(create(join(dir, 'file/.env'))).rejects.toMatchObject({ code: 'data_dir.unusable' });
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
