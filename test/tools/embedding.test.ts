import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { cp, mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { execa } from 'execa';
import { fastify } from 'fastify';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { createFathom as Create, Fathom } from '../../daemon/embed/index.ts';
import { createFathomClient } from '../../shared/client/package/application-client.ts';
import { createDeployment, type Deployment } from '../helpers/deployment.ts';
import { freePortRange } from '../helpers/free-ports.ts';
import { call } from '../helpers/http-call.ts';
import { StreamReader } from '../helpers/stream-reader.ts';
import { until } from '../helpers/until.ts';

const ROOT = join(import.meta.dirname, '..', '..');
const SECRET = 'a secret that only the host knows';
const SIGNALS = ['SIGTERM', 'SIGINT', 'SIGHUP', 'exit', 'uncaughtException', 'unhandledRejection'];

function childProcesses(): number {
  return process.getActiveResourcesInfo().filter((name) => name === 'ProcessWrap').length;
}

const { createFathom } = (await import(join(ROOT, 'dist', 'embed', 'index.js'))) as {
  createFathom: typeof Create;
};

describe('createFathom', () => {
  let fathom: Deployment;
  let embedded: Fathom;
  const logged: string[] = [];
  const write = (_fields: object, message: string) => logged.push(message);
  const log = { debug: write, info: write, warn: write, error: write };
  const ended = Promise.withResolvers<string>();
  const app = fastify();
  let url: string;

  const settings = () => ({ ...fathom.env, FATHOM_DATA_DIR: fathom.dataDir });

  beforeAll(async () => {
    fathom = await createDeployment({ FATHOM_APPS: 'documents,work-items' });
    embedded = createFathom({
      ...settings(),
      log,
      accountSecret: SECRET,
      addressOf: ({ headers, socket }) => String(headers['x-client'] ?? socket.remoteAddress),
      onExit: ({ code }) => ended.resolve(code),
      authenticate({ headers }) {
        if (headers.authorization === 'Host broken') throw new Error('the session store of the host is away');
        const [, name] = /^(?:Host|Bearer) (\w+)$/.exec(headers.authorization ?? '') ?? [];
        return name === undefined ? null : { email: `${name}@example.com` };
      },
    });
    await app.register(embedded.plugin, { prefix: '/deep/fathom' });
    app.post('/echo', async (request) => request.body);
    url = `${await app.listen({ port: 0 })}/deep/fathom`;
  });

  afterAll(async () => {
    await app.close();
    await embedded?.stop();
    await fathom?.dispose();
  });

  it('answers 503 before the start, and refuses settings that cannot work', async () => {
    const answer = await call('GET', `${url}/api/v1/me`);
    expect([answer.status, answer.body.code]).toEqual([503, 'daemon.starting']);
    expect(() => createFathom({ ...settings(), authenticate: () => null, accountSecret: 'short' })).toThrow(
      expect.objectContaining({ code: 'config.invalid' }),
    );
    const invalid = createFathom({ ...settings(), PB_PORT_RANGE: 'many' });
    await expect(invalid.start()).rejects.toMatchObject({
      code: 'config.invalid',
      message: expect.stringContaining('PB_PORT_RANGE'),
    });
  });

  it('starts and stops twice in one process, which keeps its signal handlers', async () => {
    const before = SIGNALS.map((name) => process.listenerCount(name));
    const children = childProcesses();
    const [directory, mask] = [process.cwd(), process.umask()];
    for (let round = 0; round < 2; round += 1) {
      await embedded.start();
      expect((await embedded.client.daemon.status()).ready).toBe(true);
      await embedded.stop();
      await expect(embedded.client.daemon.status()).rejects.toMatchObject({ code: 'daemon.unreachable' });
    }
    expect(SIGNALS.map((name) => process.listenerCount(name))).toEqual(before);
    expect([process.cwd(), process.umask()]).toEqual([directory, mask]);
    expect(logged).toContain('the daemon is ready');
    // The handle of an ended process closes a little later.
    await until(() => childProcesses() === children, { what: 'the end of all handles' });
  });

  it('serves users of the host below its prefix, and a second one on the directory is refused', async () => {
    await embedded.start();
    const other = createFathom(settings());
    await expect(other.start()).rejects.toMatchObject({
      code: 'data_dir.locked',
      message: expect.stringMatching(/another fathomd \(pid \d+\)/),
    });

    const me = await call<{ email: string }>('GET', `${url}/api/v1/me`, {
      headers: { authorization: 'Host ann' },
    });
    expect(me.body.email).toBe('ann@example.com');
    expect(me.headers.get('strict-transport-security')).toBeNull();
    const page = await fetch(url);
    expect([page.url, await page.text()]).toEqual([`${url}/`, expect.stringContaining('<title>')]);
    const guest = await call('GET', `${url}/api/v1/me`);
    expect(guest.body.code).toBe('auth.required');
    const { database, user } = await embedded.signIn({ email: 'Ann@example.com' });
    expect([user.email, typeof database?.token]).toEqual(['ann@example.com', 'string']);

    // The client of applications sends the token of the host.
    const client = createFathomClient({ url, token: 'ann' });
    const project = await client.work.createProject({ title: 'In a host' });
    expect((await client.work.listProjects()).items.map(({ id }) => id)).toEqual([project.id]);
    const bob = createFathomClient({ url, token: 'bob' });
    await expect(bob.work.getProject(project.id)).rejects.toMatchObject({ code: 'not_found' });
    const phase = Promise.withResolvers<unknown>();
    const stream = client.openStream({
      topics: ['instances'],
      onLink() {},
      onSnapshot: (frame) => phase.resolve(frame.data),
      onEvent() {},
    });
    expect(await phase.promise).toMatchObject([{ name: database?.name }]);
    stream.close();
    const body = { title: 'At its address' };
    const created = await call('POST', `${url}/api/v1/projects`, { token: 'ann', body });
    const location = created.headers.get('location') ?? '';
    expect((await call('GET', new URL(location, url).href, { token: 'ann' })).body).toMatchObject(body);
    // The bodies of other routes of the host are read as before.
    const echo = await call('POST', `${url.replace('/deep/fathom', '')}/echo`, { body: { a: 1 } });
    expect(echo.body).toEqual({ a: 1 });
  });

  it('opens streams for pages of the host, and for no other origin', async () => {
    const host = { ...fathom, url };
    const { origin } = new URL(url);
    const own = new StreamReader(host, { token: 'ann', origin });
    expect(await own.answered).toBe(101);
    own.socket.close();
    expect((await own.closed).code).toBe(1005);
    const foreign = new StreamReader(host, { token: 'ann', origin: 'http://example.org' });
    expect(await foreign.answered).toBe(403);
    const elsewhere = new StreamReader({ ...fathom, url: origin }, { token: 'ann' });
    expect(await elsewhere.answered).toBe(404);
  });

  it('leaves accounts to the host, and takes addresses of clients from it', async () => {
    const body = { email: 'eve@example.com', password: 'a-good-password' };
    const signUp = await call('POST', `${url}/api/v1/auth/register`, {
      body,
      headers: { 'x-client': '192.0.2.7' },
    });
    expect(signUp.body.code).toBe('sign_up.closed');
    const login = await call('POST', `${url}/api/v1/auth/login`, {
      body,
      headers: { 'x-client': '192.0.2.7' },
    });
    expect(login.body.code).toBe('auth.failed');
    const { items } = await embedded.client.audit.list({ action: 'sign-in', outcome: 'refused' });
    expect(items.map(({ address }) => address)).toEqual(['192.0.2.7']);
  });

  it('answers errors of the host, and signs in again after its sessions were ended', async () => {
    const broken = await call('GET', `${url}/api/v1/me`, { headers: { authorization: 'Host broken' } });
    expect([broken.status, broken.body.code]).toEqual([500, 'internal']);
    expect(JSON.stringify(broken.body)).not.toContain('session store');
    expect(logged).toContain('a request of Fathom failed');
    const asAnn = () => call('GET', `${url}/api/v1/me`, { headers: { authorization: 'Host ann' } });
    expect(
      (await call('DELETE', `${url}/api/v1/sessions`, { headers: { authorization: 'Host ann' } })).status,
    ).toBe(204);
    expect((await asAnn()).status).toBe(401);
    expect((await asAnn()).status).toBe(200);
    expect((await embedded.client.databases.list()).items.every(({ phase }) => phase === 'running')).toBe(
      true,
    );
  });

  it('reports a daemon that was killed, and can start another one', async () => {
    process.kill((await embedded.client.daemon.status()).pid, 'SIGKILL');
    expect(await ended.promise).toBe('internal');
    expect((await call('GET', `${url}/api/v1/me`)).status).toBe(503);
    await embedded.start();
    const asAnn = { headers: { authorization: 'Host ann' } };
    expect((await call('GET', `${url}/api/v1/me`, asAnn)).status).toBe(200);
  });

  it('closes the host with an open stream, and a stop ends a start', async () => {
    const stream = new StreamReader({ ...fathom, url }, { token: 'ann' });
    expect(await stream.answered).toBe(101);
    await app.close();
    expect((await stream.closed).code).toBe(1006);

    const stopped = embedded.stop();
    const started = embedded.start();
    await stopped;
    const refused = expect(started).rejects.toMatchObject({ code: 'conflict' });
    await until(() => logged.at(-1)?.startsWith('fathom waits'), { what: 'the second daemon' });
    await embedded.stop();
    await refused;
    expect(await embedded.client.daemon.status().catch(({ code }) => code)).toBe('daemon.unreachable');
  });
});

describe('the example', () => {
  let directory: string;
  let fathom: Deployment;

  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'fathom-host-'));
    fathom = await createDeployment();
    await mkdir(join(directory, 'node_modules'));
    await symlink(ROOT, join(directory, 'node_modules', 'fathom'));
    for (const name of ['fastify', '@types', 'undici-types'])
      await symlink(join(ROOT, 'node_modules', name), join(directory, 'node_modules', name));
    await writeFile(join(directory, 'package.json'), JSON.stringify({ type: 'module' }));
    await cp(join(ROOT, 'examples', 'fastify', 'host.ts'), join(directory, 'host.ts'));
  });

  afterAll(async () => {
    await fathom?.dispose();
    await rm(directory, { recursive: true, force: true });
  });

  it.each(['nodenext', 'bundler'])('has types with moduleResolution %s', async (resolution) => {
    const module = resolution === 'bundler' ? 'esnext' : resolution;
    const options = ['--strict', '--noEmit', '--target', 'es2022', '--types', 'node'];
    const { all } = await execa(
      join(ROOT, 'node_modules', '.bin', 'tsc'),
      [...options, '--module', module, '--moduleResolution', resolution, 'host.ts'],
      { cwd: directory, all: true, reject: false },
    );
    expect(all).toBe('');
  });

  it('signs users in, writes nothing to its output, and leaves no process when it is killed', async () => {
    const port = await freePortRange(1);
    const env = { ...fathom.env, PATH: process.env['PATH'], HOST_PORT: String(port) };
    const flags = ['--disable-warning=ExperimentalWarning', 'host.ts'];
    const host = spawn(process.execPath, flags, {
      cwd: directory,
      env,
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    let output = '';
    host.stdout.on('data', (chunk: Buffer) => {
      output += chunk.toString();
    });
    const url = `http://127.0.0.1:${port}`;
    const headers = { authorization: 'Bearer johndoe' };
    await until(
      () =>
        call('GET', `${url}/fathom/api/v1/me`, { headers }).then(
          ({ status }) => status === 200,
          () => false,
        ),
      { what: 'the host' },
    );
    const { body } = await call<{ url: string; token: string }>('GET', `${url}/my-database/johndoe`);
    const written = await call<{ title: string }>('POST', `${body.url}/api/collections/documents/records`, {
      headers: { authorization: body.token },
      body: { title: 'through the host' },
    });
    expect([written.body.title, output]).toEqual(['through the host', '']);
    const { pid } = await fathom.client.daemon.status();
    host.kill('SIGKILL');
    await until(() => !existsSync(`/proc/${pid}`), { what: 'the end of the daemon' });
  });
});
