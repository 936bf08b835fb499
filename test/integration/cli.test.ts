import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { execa } from 'execa';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { BASE_ENVIRONMENT, FATHOMD, fathomd as run } from '../helpers/fathomd.ts';
import { textWith } from '../helpers/text-with.ts';

let cwd: string;

beforeEach(() => {
  cwd = mkdtempSync(join(tmpdir(), 'fathom-cli-'));
});

afterEach(() => {
  rmSync(cwd, { recursive: true, force: true });
});

async function fathomd(args: string[], env: Record<string, string> = {}) {
  const { exitCode, stdout, stderr } = await run(args, { cwd, env });
  return { exitCode, stdout, stderr };
}

describe('the command line', () => {
  it('answers --help and --version on stdout', async () => {
    const help = await fathomd(['--help']);
    expect(help).toMatchObject({ exitCode: 0, stderr: '' });
    for (const verb of ['serve', 'start', 'init', 'doctor', 'status', 'users', 'databases']) {
      expect(help.stdout).toContain(`fathomd ${verb}`);
    }
    expect((await fathomd(['--version'])).stdout).toMatch(/^\d+\.\d+\.\d+$/);
  });

  it('exits 69 in a directory that was removed', async () => {
    const { exitCode, stderr } = await execa('sh', ['-c', 'rmdir "$PWD"; exec "$0" status', FATHOMD], {
      cwd,
      env: BASE_ENVIRONMENT,
      extendEnv: false,
      reject: false,
    });
    expect(exitCode).toBe(69);
    expect(stderr).not.toContain('node:internal');
  });

  it.each([
    [['databses', 'list'], "'databases'"],
    [['serve', '--env-fil', 'x'], "'--env-file'"],
  ])('%j exits 2 with a suggestion', async (args, suggestion) => {
    const { exitCode, stdout, stderr } = await fathomd(args);
    expect({ exitCode, stdout }).toEqual({ exitCode: 2, stdout: '' });
    expect(stderr).toContain(suggestion);
  });

  it('exits 69 with the next action when no daemon runs', async () => {
    const { exitCode, stderr } = await fathomd(['users', 'list', '--json']);
    expect(exitCode).toBe(69);
    expect(stderr).toContain("'systemctl start fathomd'");
  });
});

describe('init', () => {
  it('writes what serve takes, once', async () => {
    const first = await fathomd(['init', '--env-file', 'etc/fathom.env']);
    expect(first).toMatchObject({ exitCode: 0, stderr: '' });
    const path = join(cwd, 'etc/fathom.env');
    const before = readFileSync(path, 'utf8');
    expect(statSync(path).mode & 0o777).toBe(0o600);
    expect((await fathomd(['init', '--env-file', 'etc/fathom.env'])).exitCode).toBe(73);
    expect(readFileSync(path, 'utf8')).toBe(before);
    const { stdout } = await fathomd(['doctor', '--json', '--env-file', 'etc/fathom.env']);
    const findings = JSON.parse(stdout) as { id: string; level: string }[];
    expect(findings.filter(({ id }) => id === 'config' || id === 'env_file')).toEqual([
      { id: 'config', level: 'ok', summary: expect.any(String), remedy: null },
      { id: 'env_file', level: 'ok', summary: expect.any(String), remedy: null },
    ]);
  });

  it('refuses to put fresh secrets before those that data was made with, unless a file is named', async () => {
    mkdirSync(join(cwd, 'var'));
    writeFileSync(join(cwd, 'var/.env'), '', { mode: 0o600 });
    const refused = await fathomd(['init']);
    expect(refused).toMatchObject({ exitCode: 73, stdout: '' });
    expect(refused.stderr).toEqual(textWith("'fathomd serve'", `${cwd}/var/.env`));
    expect(existsSync(join(cwd, '.env'))).toBe(false);
    expect((await fathomd(['init', '--env-file', 'new.env'])).exitCode).toBe(0);
  });
});

describe('doctor', () => {
  it('exits 1 when something is fatal, and says what to do', async () => {
    const { exitCode, stdout, stderr } = await fathomd(['doctor']);
    expect({ exitCode, stderr }).toEqual({ exitCode: 1, stderr: '' });
    expect(stdout).toMatch(/^fatal +AES_MASTER_KEY: .*\(config\)\n.*'fathomd init'/m);
  });

  it('proves the binary that is embedded', async () => {
    const { stdout } = await fathomd(['doctor']);
    expect(stdout).toMatch(/^ok +PocketBase 0\.39\.1 at /m);
  });

  it('leaves the host as it was', async () => {
    await fathomd(['doctor', '--data-dir', 'data']);
    expect(existsSync(join(cwd, 'data'))).toBe(false);
  });
});

/** Of a shell, in which the redirections are. */
async function shell(script: string) {
  const { exitCode, stdout, stderr } = await execa('bash', ['-c', script, FATHOMD], {
    cwd,
    env: BASE_ENVIRONMENT,
    extendEnv: false,
    reject: false,
    stdin: 'ignore',
  });
  return { exitCode, stdout, stderr };
}

describe('output that cannot be written', () => {
  it.each(['--help', 'doctor --json', 'init', 'stop'])(
    '%s ends with 74 and one line on a full disk',
    async (words) => {
      const { exitCode, stderr } = await shell(`"$0" ${words} >/dev/full`);
      expect({ exitCode, lines: stderr.split('\n') }).toEqual({
        exitCode: 74,
        lines: [expect.stringMatching(/^fathomd: .*ENOSPC/)],
      });
    },
  );

  it('ends quietly when its reader has gone, as with head', async () => {
    const closed = await shell('"$0" init | true; echo "${PIPESTATUS[0]}"');
    expect(closed).toEqual({ exitCode: 0, stdout: '0', stderr: '' });
    expect(await shell('"$0" --help | head -1')).toMatchObject({ exitCode: 0, stderr: '' });
  });

  it('keeps its exit code where errors cannot be written', async () => {
    expect(await shell('"$0" frobnicate 2>/dev/full')).toMatchObject({ exitCode: 2 });
    expect(await shell('"$0" frobnicate 2>&-')).toMatchObject({ exitCode: 2 });
    expect(await shell('"$0" frobnicate 2> >(true)')).toMatchObject({ exitCode: 2 });
    expect(await shell('"$0" status >&-')).toMatchObject({ exitCode: 69 });
  });
});

it('fits its help to a narrow terminal', async () => {
  const { stdout } = await execa(
    'script',
    ['-qec', `stty cols 60; '${FATHOMD}' users set --help`, '/dev/null'],
    {
      cwd,
      env: { ...BASE_ENVIRONMENT, SHELL: '/bin/sh' },
      extendEnv: false,
      stdin: 'ignore',
    },
  );
  const lines = stdout.split(/\r?\n/);
  expect(lines.length).toBeGreaterThan(10);
  expect(Math.max(...lines.map((line) => line.length))).toBeLessThanOrEqual(60);
});
