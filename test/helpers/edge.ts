import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { chmod, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import type { IncomingHttpHeaders, IncomingMessage } from 'node:http';
import { request } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { execa } from 'execa';
import { caddySite } from '../../daemon/host/install/edge/caddy-site.ts';
import { nginxSite, parseNginxVersion } from '../../daemon/host/install/edge/nginx-site.ts';
import type { Site } from '../../daemon/host/install/edge/site.ts';
import type { Deployment } from './deployment.ts';
import { freePortRange } from './free-ports.ts';
import { until } from './until.ts';

export const DOMAIN = 'fathom.test';
const NGINX = '/usr/sbin/nginx';
const CADDY = 'caddy';

export interface EdgeAnswer {
  status: number;
  headers: IncomingHttpHeaders;
  /** `Name: value` as received, also those that come several times. */
  rawHeaders: string[];
  body: Buffer;
}

export interface EdgeCall {
  method?: string;
  headers?: Record<string, string>;
  body?: string | Buffer;
  /** The address of this host from which the client connects. */
  from?: string;
  token?: string;
}

/** A reverse proxy as a process of the test, in front of a deployment that has EDGE_TOKEN. */
export class EdgeProcess {
  readonly port: number;
  readonly #process: ChildProcess;
  readonly #directory: string;

  private constructor(port: number, process: ChildProcess, directory: string) {
    this.port = port;
    this.#process = process;
    this.#directory = directory;
  }

  static async start(
    directory: string,
    port: number,
    [program, ...args]: readonly [string, ...string[]],
  ): Promise<EdgeProcess> {
    const child = spawn(program, args, {
      stdio: 'ignore',
      // Caddy stores its configuration below it.
      env: { ...process.env, HOME: directory, XDG_CONFIG_HOME: directory },
    });
    const edge = new EdgeProcess(port, child, directory);
    await until(
      async () => {
        if (child.exitCode !== null) throw new Error(`${program} ended with ${child.exitCode}`);
        return edge.call('absent.invalid', '/').then(
          () => true,
          () => false,
        );
      },
      { what: program },
    );
    return edge;
  }

  /** One request to a name. Every name leads to this process. */
  call(host: string, path: string, options: EdgeCall = {}): Promise<EdgeAnswer> {
    return this.open(host, path, options).then(async (response) => {
      const chunks: Buffer[] = [];
      for await (const chunk of response) chunks.push(chunk as Buffer);
      const rawHeaders = response.rawHeaders.flatMap((name, index) =>
        index % 2 === 0 ? [`${name}: ${response.rawHeaders[index + 1]}`] : [],
      );
      const { statusCode = 0, headers } = response;
      return { status: statusCode, headers, rawHeaders, body: Buffer.concat(chunks) };
    });
  }

  /** The response, whose body has not been read. */
  open(
    host: string,
    path: string,
    { method = 'GET', headers = {}, body, from, token }: EdgeCall = {},
  ): Promise<IncomingMessage> {
    return new Promise((resolve, reject) => {
      const call = request(
        {
          host: '127.0.0.1',
          port: this.port,
          path,
          method,
          agent: false,
          servername: `api.${DOMAIN}`,
          rejectUnauthorized: false,
          headers: {
            host,
            ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
            ...(body === undefined
              ? {}
              : { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) }),
            ...headers,
          },
          ...(from === undefined ? {} : { localAddress: from }),
        },
        resolve,
      );
      call.once('error', reject);
      call.end(body);
    });
  }

  /** The log of errors. */
  log(): Promise<string> {
    return readFile(join(this.#directory, 'error.log'), 'utf8');
  }

  async stop(): Promise<void> {
    const ended = once(this.#process, 'exit');
    this.#process.kill('SIGTERM');
    await ended;
    await rm(this.#directory, { recursive: true, force: true });
  }
}

export function jsonOf({ body }: EdgeAnswer): unknown {
  return JSON.parse(body.toString());
}

/** The status in the body of an error. */
export function statusIn(answer: EdgeAnswer): number {
  return (jsonOf(answer) as { status: number }).status;
}

/** Settings of a daemon behind one of these reverse proxies. */
export function behindEdge(): Record<string, string> {
  return {
    EDGE_TOKEN: randomBytes(32).toString('base64url'),
    TRUSTED_PROXIES: '127.0.0.1,::1',
    PB_PUBLIC_URL: `https://{name}.db.${DOMAIN}`,
  };
}

/** The reverse proxies that can be run here. */
export const EDGES_HERE = {
  nginx: { isHere: canRun(NGINX, '-v'), start: startNginx },
  caddy: { isHere: canRun(CADDY, 'version'), start: startCaddy },
};

function canRun(program: string, argument: string): boolean {
  try {
    execFileSync(program, [argument], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}

/** What the generators get for a deployment on this host. */
export async function siteOf(
  { env }: Deployment,
  directory: string,
  changes: Partial<Site> = {},
): Promise<Site> {
  const [certificate, certificateKey] = ['fullchain.pem', 'privkey.pem'].map((name) =>
    join(directory, name),
  ) as [string, string];
  const names = `DNS:api.${DOMAIN},DNS:auth.${DOMAIN},DNS:*.db.${DOMAIN}`;
  const subject = ['-subj', `/CN=${DOMAIN}`, '-addext', `subjectAltName=${names}`];
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-keyout', certificateKey];
  await execa('openssl', ['req', '-x509', ...key, '-days', '2', ...subject, '-out', certificate]);
  const http = await freePortRange(2);
  return {
    domain: DOMAIN,
    certificate,
    certificateKey,
    edgeToken: env['EDGE_TOKEN'] ?? '',
    api: `127.0.0.1:${env['SERVER_PORT']}`,
    global: `127.0.0.1:${env['PB_GLOBAL_PORT']}`,
    databaseHost: '127.0.0.1',
    requestsPerMinute: 6000,
    connectionsPerAddress: 256,
    ports: { http, https: http + 1 },
    hasIPv6: false,
    ...changes,
  };
}

/** Starts nginx with the generated site. The main file is Debian's, as a process of the test instead of a service. */
export async function startNginx(fathom: Deployment, changes: Partial<Site> = {}): Promise<EdgeProcess> {
  const directory = await mkdtemp(join(tmpdir(), 'fathom-edge-'));
  await chmod(directory, 0o755);
  const site = await siteOf(fathom, directory, changes);
  const { stderr } = await execa(NGINX, ['-v']);
  const version = parseNginxVersion(stderr);
  if (version === null) throw new Error(`no version of nginx: ${stderr}`);
  await writeFile(
    join(directory, 'site.conf'),
    nginxSite({ ...site, version, cache: join(directory, 'cache') }),
  );
  await writeFile(join(directory, 'nginx.conf'), mainFile(directory));
  return EdgeProcess.start(directory, site.ports.https, [
    NGINX,
    '-p',
    directory,
    '-e',
    join(directory, 'error.log'),
    '-c',
    join(directory, 'nginx.conf'),
  ]);
}

/** Starts Caddy with the generated site. */
async function startCaddy(fathom: Deployment, changes: Partial<Site> = {}): Promise<EdgeProcess> {
  const directory = await mkdtemp(join(tmpdir(), 'fathom-edge-'));
  const site = await siteOf(fathom, directory, changes);
  await writeFile(join(directory, 'site.caddyfile'), caddySite(site));
  const { http, https } = site.ports;
  const options = [
    'admin off',
    `http_port ${http}`,
    `https_port ${https}`,
    `storage file_system ${directory}/storage`,
    `log {\noutput file ${directory}/error.log\n}`,
  ];
  await writeFile(join(directory, 'Caddyfile'), `{\n${options.join('\n')}\n}\nimport site.caddyfile\n`);
  const args = ['run', '--config', join(directory, 'Caddyfile'), '--adapter', 'caddyfile'];
  return EdgeProcess.start(directory, https, [CADDY, ...args]);
}

function mainFile(directory: string): string {
  const paths = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map(
    (name) => `${name}_temp_path ${join(directory, name)};`,
  );
  return `
daemon off;
pid ${directory}/nginx.pid;
${process.getuid?.() === 0 ? 'user root;' : ''}
worker_processes 2;
events { worker_connections 768; }
http {
  ${paths.join('\n  ')}
  sendfile on;
  tcp_nopush on;
  types_hash_max_size 2048;
  default_type application/octet-stream;
  ssl_protocols TLSv1 TLSv1.1 TLSv1.2 TLSv1.3;
  ssl_prefer_server_ciphers on;
  access_log ${directory}/access.log;
  gzip on;
  include ${directory}/site.conf;
}
`;
}
