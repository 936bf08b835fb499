import { once } from 'node:events';
import { mkdtempSync, readFileSync, renameSync, rmSync, statSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { execa } from 'execa';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { hasTmux, TmuxTerminal } from '../console/tmux-terminal.ts';
import { BASE_ENVIRONMENT, FATHOMD } from '../helpers/fathomd.ts';
import { freePortRange } from '../helpers/free-ports.ts';
import { runInProcess } from '../helpers/run-cli.ts';
import { textWith } from '../helpers/text-with.ts';

const OPTIONS = { reject: false, stdin: 'ignore', extendEnv: false } as const;

let cwd: string;
let env: Record<string, string>;
const running: Daemon[] = [];

beforeAll(async () => {
  cwd = mkdtempSync(join(tmpdir(), 'fathom-start-'));
  const base = await freePortRange(10);
  env = {
    ...BASE_ENVIRONMENT,
    SERVER_PORT: String(base),
    PB_GLOBAL_PORT: String(base + 1),
    PB_BASE_PORT: String(base + 2),
    PB_PORT_RANGE: '8',
  };
});

afterAll(async () => {
  for (const daemon of running) daemon.kill('SIGTERM');
  await Promise.all(running);
  rmSync(cwd, { recursive: true, force: true });
});

const envFile = () => join(cwd, 'var/.env');

function fathomd(...args: string[]) {
  return execa(FATHOMD, args, { ...OPTIONS, cwd, env });
}

type Daemon = ReturnType<typeof fathomd>;

/** Starts one in the foreground, as there is no terminal, and reads until it has printed the next steps. */
async function startDaemon(): Promise<{ daemon: Daemon; printed: string[] }> {
  const daemon = fathomd('start');
  running.push(daemon);
  const printed: string[] = [];
  for await (const line of createInterface({ input: daemon.readable({ preserveNewlines: true }) })) {
    if (!line.startsWith('{')) printed.push(line);
    if (line.endsWith('/_/')) return { daemon, printed };
  }
  const { exitCode, stderr } = await daemon;
  throw new Error(`the daemon ended with ${exitCode}: ${stderr}`);
}

describe('start without a terminal', () => {
  let daemon: Daemon;
  let printed: string[];

  beforeAll(async () => {
    ({ daemon, printed } = await startDaemon());
  });

  it('makes the secrets, runs the daemon and tells the next steps', () => {
    expect(statSync(envFile()).mode & 0o777).toBe(0o600);
    expect(printed[0]).toContain(`http://127.0.0.1:${env['SERVER_PORT']}`);
    expect(printed.join('\n')).toEqual(textWith('PB_ADMIN_PASSWORD', envFile()));
  });

  it('leaves a daemon that runs already alone, and its secrets', async () => {
    const before = readFileSync(envFile(), 'utf8');
    const second = await fathomd('start');
    expect(second.exitCode).toBe(75);
    expect(second.stderr).toContain(String(daemon.pid));
    expect(readFileSync(envFile(), 'utf8')).toBe(before);
    expect((await fathomd('status')).exitCode).toBe(0);
  });

  it('lets its administrator give commands over the local socket', async () => {
    const added = await fathomd('users', 'add', 'ada@example.com', '--json');
    expect(added.stderr).toBe('');
    const user = JSON.parse(added.stdout) as { id: string; database: string; password: string };
    expect(user).toMatchObject({
      email: 'ada@example.com',
      role: 'user',
      password: expect.stringMatching(/^[\w-]{24}$/),
    });

    const users = JSON.parse((await fathomd('users', 'list', '--json')).stdout) as { id: string }[];
    expect(users.map(({ id }) => id)).toContain(user.id);

    expect((await fathomd('databases', 'stop', user.database)).stdout).toEqual(
      textWith(user.database, 'stopped'),
    );
    expect((await fathomd('databases', 'start', user.database)).stdout).toMatch(
      /running.* http:\/\/127\.0\.0\.1:\d+$/,
    );
    const restarted = JSON.parse(
      (await fathomd('databases', 'restart', user.database, '--json')).stdout,
    ) as object;
    expect(restarted).toMatchObject({ name: user.database, phase: 'running' });

    const listed = JSON.parse((await fathomd('databases', 'list', '--json')).stdout) as {
      name: string;
      phase: string;
    }[];
    expect(listed).toContainEqual(expect.objectContaining({ name: user.database, phase: 'running' }));
    expect((await fathomd('databases', 'logs', user.database)).stdout).toContain('Server started at');
    const lines = JSON.parse((await fathomd('logs', user.database, '--json')).stdout) as object[];
    expect(lines).toContainEqual({
      at: expect.stringMatching(/^\d{4}-\d\d-\d\dT.*Z$/),
      text: expect.stringContaining('Server started at'),
    });

    const missing = await fathomd('databases', 'stop', '2024-01-15-001-nobody');
    expect(missing).toMatchObject({ exitCode: 1, stdout: '' });
    expect(missing.stderr).toEqual(textWith("'2024-01-15-001-nobody'", "'fathomd databases list'"));
    expect(await fathomd('logs', 'nope')).toMatchObject({
      exitCode: 2,
      stderr: textWith("'nope'", "'fathomd databases list'"),
    });
    expect(await fathomd('status', '--url', `http://127.0.0.1:${env['SERVER_PORT']}`)).toMatchObject({
      exitCode: 77,
      stderr: textWith('FATHOM_TOKEN'),
    });
    expect((await fathomd('status', '--data-dir', 'var')).stdout).toMatch(/^daemon +ready/m);

    const status = JSON.parse((await fathomd('status', '--json')).stdout) as { pid: number };
    const findings = JSON.parse((await fathomd('doctor', '--json')).stdout) as {
      id: string;
      summary: string;
    }[];
    expect(
      findings
        .filter(({ id }) => id.startsWith('port_') && id !== 'port_range')
        .map(({ summary }) => summary),
    ).toEqual([textWith(String(env['SERVER_PORT'])), textWith(String(env['PB_GLOBAL_PORT']))]);
    expect(findings.find(({ id }) => id === 'daemon')?.summary).toEqual(textWith(status.pid));
    expect(daemon.pid).toBe(status.pid);
  });

  it('--check tells a database in trouble from one that is stopped', async () => {
    const [database] = JSON.parse((await fathomd('databases', 'list', '--json')).stdout) as [
      { name: string },
    ];
    const checks = [
      ['status'],
      ['databases', 'list'],
      ['queue', 'dead'],
      ['queue', 'schedules'],
      ['secrets', 'status'],
    ];
    const check = async (words: string[]) =>
      (await runInProcess([...words, '--check'], { cwd, env: { ...env, FATHOM_DATA_DIR: 'var' } })).code;
    const codes = () => Promise.all(checks.map(check));
    expect(await codes()).toEqual([0, 0, 0, 0, 0]);

    await fathomd('databases', 'stop', database.name);
    expect(await codes()).toEqual([0, 0, 0, 0, 0]);

    const data = join(cwd, 'var/user_dbs', database.name, 'pb_data');
    renameSync(data, `${data}.away`);
    expect((await fathomd('databases', 'start', database.name)).exitCode).not.toBe(0);
    expect(await codes()).toEqual([1, 1, 0, 0, 0]);
    expect((await fathomd('status')).exitCode).toBe(0);
    expect(await check(['doctor'])).toBe(1);

    renameSync(`${data}.away`, data);
    expect((await fathomd('databases', 'start', database.name)).exitCode).toBe(0);
    expect((await check(['status'])) + (await check(['databases', 'list']))).toBe(0);
  });

  it.skipIf(!hasTmux())(
    'a second start opens the console, which asks about the daemon as the first',
    async () => {
      await using terminal = await new TmuxTerminal().start(
        [FATHOMD, 'start', '--data-dir', join(cwd, 'var')],
        {
          env: { ...env, XDG_CACHE_HOME: join(cwd, 'cache') },
          columns: 120,
          rows: 40,
        },
      );
      await terminal.shows('● live');
      await terminal.press('q');
      await terminal.shows('keep running?', 'quit and stop the daemon');
      await terminal.press('s');
      await terminal.shows(`the daemon is stopped (pid ${daemon.pid})`, 'exit=0');
    },
  );

  it('stops in order, and has printed no secret', async () => {
    daemon.kill('SIGTERM');
    const { exitCode, stdout, stderr } = await daemon;
    expect(exitCode).toBe(0);
    expect(stderr).toContain('SIGTERM');
    const secrets = [...readFileSync(envFile(), 'utf8').matchAll(/^\w+=(.{9,})$/gm)];
    expect(secrets.length).toBeGreaterThan(3);
    for (const [, value] of secrets) expect(stdout + stderr).not.toContain(value);
  });
});

describe('start on a terminal', () => {
  it('shows the last lines of a daemon that ends early, and its exit code', async () => {
    const taken = createServer().listen(Number(env['SERVER_PORT']), '127.0.0.1');
    await once(taken, 'listening');
    // script(1) gives it a terminal.
    const { stdout } = await execa('script', ['-qec', `'${FATHOMD}' start; echo code=$?`, '/dev/null'], {
      ...OPTIONS,
      cwd,
      env: { ...env, SHELL: '/bin/sh' },
    });
    taken.close();
    expect(stdout).toEqual(textWith('SERVER_PORT', String(env['SERVER_PORT']), '127.0.0.1'));
    expect(stdout).toEqual(textWith(69, join(cwd, 'var/logs/fathomd.log')));
    expect(stdout).toContain('code=69');
    expect(statSync(join(cwd, 'var/logs/fathomd.log')).mode & 0o777).toBe(0o600);
  });
});
