import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { stripVTControlCharacters } from 'node:util';
import stringWidth from 'string-width';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { runInProcess } from '../../test/helpers/run-cli.ts';
import { textWith } from '../../test/helpers/text-with.ts';

let cwd: string;

beforeEach(() => {
  cwd = mkdtempSync(join(tmpdir(), 'fathom-cli-'));
});

afterEach(() => {
  rmSync(cwd, { recursive: true, force: true });
});

interface RunOptions {
  env?: Record<string, string>;
  input?: string;
  columns?: number;
}

function run(argv: readonly string[], options: RunOptions = {}) {
  return runInProcess(argv, { cwd, ...options });
}

describe('the command line', () => {
  it('shows help on stdout, without hidden options', async () => {
    const { code, out, err } = await run(['serve', '--help']);
    expect({ code, err }).toEqual({ code: 0, err: '' });
    expect(out).toContain('--env-file');
    expect(out).not.toContain('--demo');
  });

  it('uses the last value of a repeated option', async () => {
    const { err } = await run(['status', '--socket', '/a', '--socket', '/b']);
    expect(err).toContain(' /b;');
  });

  it('shows a stack trace only with LOG_LEVEL debug', async () => {
    expect((await run(['frobnicate'])).err).not.toContain('    at ');
    expect((await run(['frobnicate'], { env: { LOG_LEVEL: 'debug' } })).err).toContain('    at ');
  });
});

describe('init', () => {
  it('writes .env to the working directory and shows no secret', async () => {
    const { code, out } = await run(['init']);
    const path = join(cwd, '.env');
    expect(code).toBe(0);
    expect(statSync(path).mode & 0o777).toBe(0o600);
    for (const [, value] of readFileSync(path, 'utf8').matchAll(/^(?!PB_ADMIN_EMAIL)\w+=(.+)$/gm)) {
      expect(out).not.toContain(value);
    }
  });

  it('exits 73 instead of overwriting a file', async () => {
    await run(['init', '--env-file', 'x.env']);
    const { code, err } = await run(['init', '--env-file', 'x.env']);
    expect(code).toBe(73);
    expect(err).toEqual(textWith(join(cwd, 'x.env'), '--env-file'));
  });
});

it('serve without secrets exits 78 and names each of them, one line each', async () => {
  const { code, err } = await run(['serve']);
  expect(code).toBe(78);
  const [, ...problems] = err.trimEnd().split('\n');
  expect(problems.toSorted()).toEqual(
    ['AES_MASTER_KEY', 'JWT_SECRET', 'PB_ADMIN_PASSWORD', 'PB_ENCRYPTION_KEY'].map((name) =>
      textWith(name, "'fathomd init'"),
    ),
  );
});

it('serve without secrets for existing data asks for the env file, not for new secrets', async () => {
  const data = join(cwd, 'var', 'global', 'pb_data');
  mkdirSync(data, { recursive: true });
  writeFileSync(join(data, 'data.db'), '');
  for (const AES_MASTER_KEY of ['', 'c2hvcnQ=', '?']) {
    const { code, err } = await run(['serve'], { env: { AES_MASTER_KEY } });
    expect(code).toBe(78);
    expect(err).toContain(join(cwd, 'var'));
    expect(err).not.toContain('fathomd init');
  }
});

it('a daemon that does not run exits 69', async () => {
  const { code, err } = await run(['databases', 'list'], { env: { FATHOM_SOCKET: 'x.sock' } });
  expect(code).toBe(69);
  expect(err).toContain(join(cwd, 'x.sock'));
});

function runHere(argv: string[], options: RunOptions = {}) {
  return run([...argv, '--socket', join(cwd, 'd.sock')], options);
}

function page(items: unknown[]) {
  return { items, page: 1, per_page: 500, total: items.length };
}

describe('with a daemon', () => {
  const user = {
    id: 'u1',
    email: 'jo@example.com',
    name: '',
    role: 'user',
    is_active: true,
    created: '2024-01-15T00:00:00Z',
    database: '2024-01-15-001-jo',
  };
  const broken = {
    name: '2024-01-15-001-jo',
    phase: 'failed',
    port: 9001,
    pid: null,
    restarts: 3,
    email: 'jo@example.com',
    desired: 'running',
    reason: {
      code: 'exited',
      message: "it \u001B[31mbroke; run 'fathomd databases start 2024-01-15-001-jo'",
    },
    url: null,
    limits: { memory_bytes: 536_870_912, disk_bytes: null, sleep_after: 0 },
    pocketbase_version: '0.39.1',
    pinned_version: '0.40.6',
  };
  const lines = [
    { at: '2024-01-15T00:00:01Z', text: 'one \u001B]0;title\u0007' },
    { at: '2024-01-15T00:00:02Z', text: 'two' },
  ];
  let instance = broken;
  let server: Server;
  let seen: string[];

  beforeEach(async () => {
    seen = [];
    instance = broken;
    const answerTo = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
      const path = new URL(request.url ?? '/', 'http://localhost').pathname;
      seen.push(
        `${request.method} ${request.url} ${request.headers.authorization ?? '-'} ${await text(request)}`.trim(),
      );
      const answers: Record<string, unknown> = {
        'GET /api/v1/users': page([user]),
        'POST /api/v1/users': user,
        'GET /api/v1/databases': page([instance]),
        [`GET /api/v1/databases/${instance.name}/logs`]: { lines },
        [`POST /api/v1/databases/${instance.name}/start`]: {
          ...instance,
          phase: 'running',
          url: 'http://127.0.0.1:9001',
        },
      };
      const answer = answers[`${request.method} ${path}`];
      response.writeHead(answer === undefined ? 404 : 200, { 'content-type': 'application/json' });
      response.end(JSON.stringify(answer ?? { code: 'not_found', detail: 'there is no such database' }));
    };
    server = createServer((request, response) => void answerTo(request, response));
    server.listen({ path: join(cwd, 'd.sock') });
    await once(server, 'listening');
  });

  afterEach(async () => {
    server.close();
    await once(server, 'close');
  });

  it('reads the socket from the settings and from --env-file, also without secrets', async () => {
    const { code } = await run(['databases', 'list'], { env: { FATHOM_SOCKET: 'd.sock' } });
    expect(code).toBe(0);
    writeFileSync(join(cwd, 'a.env'), 'FATHOM_SOCKET=d.sock');
    expect((await run(['databases', 'list', '--env-file', 'a.env'])).code).toBe(0);
    const elsewhere = await run(['databases', 'list', '--data-dir', 'data']);
    expect(elsewhere.err).toContain(join(cwd, 'data/run/fathomd.sock'));
    const missing = await run(['databases', 'list', '--env-file', 'b.env']);
    expect(missing).toMatchObject({ code: 78, err: textWith(join(cwd, 'b.env')) });
  });

  it('lists in aligned columns without control sequences from data', async () => {
    const { out } = await runHere(['databases', 'list']);
    expect(out).toBe(
      [
        'NAME               PHASE   PORT  PID  RESTARTS  LIMITS          VERSION                    OWNER           WHY',
        "2024-01-15-001-jo  failed  9001  –           3  512 MiB memory  0.39.1 (pinned to 0.40.6)  jo@example.com  it broke; run 'fathomd databases start 2024-01-15-001-jo'",
        '',
      ].join('\n'),
    );
  });

  it.each([80, 60, 40, 20])('fits a terminal of %i columns and names --wide', async (columns) => {
    const { out, err } = await runHere(['databases', 'list'], { columns });
    const shown = stripVTControlCharacters(out).trimEnd().split('\n');
    expect(shown).toHaveLength(2);
    expect(Math.max(...shown.map((line) => stringWidth(line)))).toBeLessThanOrEqual(columns);
    expect(err).toContain('--wide');
    const wide = await runHere(['databases', 'list', '--wide'], { columns });
    expect(stripVTControlCharacters(wide.out)).toBe((await runHere(['databases', 'list'])).out);
    expect(wide.err).toBe('');
  });

  it('colours text on a terminal only, and not with NO_COLOR', async () => {
    const coloured = await runHere(['databases', 'list'], { columns: 200 });
    expect(coloured.out).toContain('\u001B[31mfailed');
    const plain = await runHere(['databases', 'list'], { columns: 200, env: { NO_COLOR: '1' } });
    expect(plain.out).not.toContain('\u001B');
  });

  it('names the launcher that works here, in lists and errors', async () => {
    const env = { PATH: '/usr/bin' };
    const launcher = join(import.meta.dirname, '../../bin/fathomd');
    expect((await runHere(['databases', 'list'], { env })).out).toContain(`'${launcher} databases start `);
    expect((await runHere(['users', 'show', 'x'], { env })).err).toContain(`'${launcher} users list'`);
    expect((await run(['frobnicate'], { env })).err).toContain(`'${launcher} --help'`);
  });

  it('--check exits 1 for a database in trouble, and 0 for a stopped one', async () => {
    expect((await runHere(['databases', 'list'])).code).toBe(0);
    expect((await runHere(['databases', 'list', '--check', '--json'])).code).toBe(1);
    instance = { ...instance, phase: 'stopped', desired: 'stopped' };
    expect((await runHere(['databases', 'list', '--check'])).code).toBe(0);
  });

  it('prints JSON and nothing else with --json', async () => {
    const { out, err } = await runHere(['users', 'list', '--json']);
    expect(JSON.parse(out)).toEqual([user]);
    expect(err).toBe('');
  });

  it('prints an error of the daemon with its exit code', async () => {
    const { code, err } = await runHere(['databases', 'stop', 'nope']);
    expect({ code, err }).toEqual({ code: 1, err: 'fathomd: there is no such database\n' });
  });

  it('prints the address of a started database', async () => {
    const { out } = await runHere(['databases', 'start', instance.name, '--force']);
    expect(out).toEqual(textWith(instance.name, 'running', 'http://127.0.0.1:9001'));
    expect(seen).toEqual([`POST /api/v1/databases/${instance.name}/start -`, 'GET /api/v1/migrations -']);
  });

  it('starts several databases at once and reports each failure', async () => {
    const { code, out, err } = await runHere(['databases', 'start', instance.name, 'nope', '--force']);
    expect(out).toEqual(textWith(instance.name, 'running', 'http://127.0.0.1:9001'));
    expect({ code, err }).toEqual({ code: 1, err: 'fathomd: there is no such database\n' });
  });

  it('uses the last value of a repeated number', async () => {
    await runHere(['databases', 'logs', instance.name, '--tail', '2', '--tail', '3']);
    expect(seen[0]).toContain('?tail=3');
  });

  it('lists only databases in a phase', async () => {
    const [failed, running] = await Promise.all(
      ['failed', 'running'].map((phase) => runHere(['databases', 'list', '--phase', phase, '--json'])),
    );
    expect(JSON.parse(failed?.out ?? '')).toHaveLength(1);
    expect(JSON.parse(running?.out ?? '')).toEqual([]);
  });

  it('sends the filters of audit list', async () => {
    await runHere(['audit', 'list', '--outcome', 'refused', '--actor', 'jo@example.com', '--page', '2']);
    expect(seen).toEqual(['GET /api/v1/audit?actor=jo%40example.com&outcome=refused&page=2&per_page=50 -']);
  });

  it('takes words after -- as arguments, also with a dash', async () => {
    const socket = ['--socket', join(cwd, 'd.sock')];
    const { out } = await run(['databases', 'logs', '--tail', '2', ...socket, '--', instance.name]);
    expect(out).toBe('one \ntwo\n');
    const { code, err } = await run(['databases', 'stop', ...socket, '--', '--json', instance.name]);
    expect({ code, out: seen.slice(1) }).toEqual({
      code: 1,
      out: ['POST /api/v1/databases/--json/stop -', `POST /api/v1/databases/${instance.name}/stop -`],
    });
    expect(err).not.toContain('\u0000');
  });

  it('prints the last lines of a log without control sequences', async () => {
    const { out } = await runHere(['databases', 'logs', instance.name, '--tail', '2']);
    expect(out).toBe('one \ntwo\n');
    expect(seen[0]).toContain('?tail=2');
  });

  it('takes a token from the environment', async () => {
    await runHere(['users', 'list'], { env: { FATHOM_TOKEN: 'abc' } });
    expect(seen[0]).toContain('Bearer abc');
  });

  it('adds a user with a password from stdin and does not show it', async () => {
    const { out, err } = await runHere(['users', 'add', user.email, '--password-stdin'], {
      input: 'geheim-geheim\n',
    });
    expect(seen[0]).toContain(
      '{"email":"jo@example.com","password":"geheim-geheim","role":"user","verified":false}',
    );
    expect(out).toEqual(textWith('jo@example.com', 'u1', '2024-01-15-001-jo'));
    expect(out + err).not.toContain('geheim');
  });

  it('generates a password without a terminal, and shows it once', async () => {
    const { out } = await runHere(['users', 'add', user.email]);
    const password = /^password: ([\w-]{24})$/m.exec(out)?.[1];
    expect(seen[0]).toContain(`"password":"${password}"`);
    const asJson = await runHere(['users', 'add', user.email, '--json']);
    expect(JSON.parse(asJson.out)).toEqual({ ...user, password: expect.stringMatching(/^[\w-]{24}$/) });
  });

  it('exits 2 if --password-stdin reads nothing', async () => {
    const { code } = await runHere(['users', 'add', user.email, '--password-stdin']);
    expect(code).toBe(2);
    expect(seen).toEqual([]);
  });
});
