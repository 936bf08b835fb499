import { randomBytes } from 'node:crypto';
import { access, mkdir, readFile, rm, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { FathomError, messageOf } from '../../../../shared/errors.ts';
import { connectAddress, connectHost, urlHost } from '../../../../shared/host.ts';
import { exists } from '../../../base/files/dir.ts';
import { replaceFile } from '../../../base/files/replace-file.ts';
import { type Config, type EdgeConfig, loadConfig } from '../../../config/config.ts';
import { run } from '../host.ts';
import { CREDENTIALS, DATA, ENV_FILE } from '../release/layout.ts';
import type { InstallContext } from '../verify-release.ts';
import { caddySite } from './caddy-site.ts';
import { withEdgeSettings, withoutEdgeSettings } from './edge-settings.ts';
import { MIN_WORKER_CONNECTIONS, nginxSite, parseNginxVersion, standaloneFile } from './nginx-site.ts';
import {
  domainProblem,
  type Edge,
  pathProblem,
  publicUrlOf,
  SITE_MARK,
  type Site,
  siteUrlOf,
} from './site.ts';

export interface SiteOptions {
  domain: string;
  /** Absolute paths. Null for those of certbot. */
  certificate: string | null;
  certificateKey: string | null;
}

export interface EdgeOptions extends SiteOptions {
  edge: Edge;
}

interface Program {
  file: string;
  mode: number;
  /** That may read the file; null for root alone. */
  group: string | null;
  unit: string;
  /** Returns the text of the site. */
  render: (site: Site) => Promise<string>;
  /** Rejects when the configuration of the program is not valid. */
  check: () => Promise<void>;
  /** What else to do, one line each. */
  hints: () => Promise<string[]>;
}

const TOKEN_FILE = join(CREDENTIALS, 'EDGE_TOKEN');
const NGINX_CONF = '/etc/nginx/nginx.conf';
const NGINX_CACHE = '/var/cache/fathom-edge';
const CADDYFILE = '/etc/caddy/Caddyfile';
/** The account that Caddy runs as. It reads the certificate itself. */
const CADDY_ACCOUNT = 'caddy';

const PROGRAMS: Readonly<Record<Edge, Program>> = {
  nginx: {
    file: '/etc/nginx/conf.d/fathom.conf',
    mode: 0o600,
    group: null,
    unit: 'nginx.service',
    render: async (site) => nginxSite({ ...site, version: await nginxVersion(), cache: NGINX_CACHE }),
    check: async () => {
      await run('nginx', ['-t', '-q']);
    },
    hints: workerHints,
  },
  caddy: {
    file: '/etc/caddy/Caddyfile.d/fathom.caddyfile',
    mode: 0o640,
    group: CADDY_ACCOUNT,
    unit: 'caddy.service',
    render: async (site) => {
      await requireCaddy();
      return caddySite(site);
    },
    check: async () => {
      const account = [`--reuid=${CADDY_ACCOUNT}`, `--regid=${CADDY_ACCOUNT}`, '--init-groups'];
      const validate = ['env', 'HOME=/var/lib/caddy', 'caddy', 'validate', '--config', CADDYFILE];
      await run('setpriv', [...account, '--', ...validate]).catch((error: unknown) => {
        // Caddy logs many lines before the error.
        throw new Error(/^Error: .*/m.exec(messageOf(error))?.[0] ?? messageOf(error), { cause: error });
      });
    },
    hints: async () => [
      'Caddy has no limits of requests and no cache for ports: while the daemon does not answer, databases cannot be reached',
    ],
  },
};

/**
 * Writes the site of a reverse proxy, and the settings that belong to it. Nothing is changed when the proxy does not accept
 * the site.
 *
 * @throws FathomError `request.invalid`, `conflict`, `config.invalid`
 */
export async function installEdge(options: EdgeOptions, { print }: InstallContext): Promise<void> {
  const { edge, domain } = options;
  const program = PROGRAMS[edge];
  const before = await ownFile(program.file);
  const token = await readToken();
  const config = readConfig(token.value);
  const text = await program.render(await siteOf(options, config, token.value));
  await mkdir(dirname(program.file), { recursive: true, mode: 0o755 });
  await writeSite(program, text);
  try {
    await program.check();
  } catch (error) {
    await (before === null ? rm(program.file, { force: true }) : writeSite(program, before));
    throw new FathomError(
      'conflict',
      `${edge} refuses its configuration, nothing was changed: ${messageOf(error)}`,
      {
        cause: error,
      },
    );
  }
  for (const other of Object.values(PROGRAMS)) if (other !== program) await removeSite(other);
  if (token.isNew) await replaceFile(TOKEN_FILE, `${token.value}\n`, { mode: 0o600, synced: true });
  await changeSettings((env) =>
    withEdgeSettings(env, {
      trustedProxies: proxyAddresses(config),
      publicUrl: publicUrlOf(domain),
      siteUrl: siteUrlOf(domain),
    }),
  );
  await reload(program, print);
  print(`wrote ${program.file}: api.${domain}, auth.${domain} and NAME.db.${domain}`);
  print(
    `set TRUSTED_PROXIES, PB_PUBLIC_URL and PUBLIC_URL in ${ENV_FILE}; 'systemctl restart fathomd' applies them`,
  );
  for (const hint of await program.hints()) print(hint);
}

/**
 * The configuration of nginx in a container of its own.
 *
 * @throws FathomError `request.invalid`, `conflict`
 */
export async function standaloneNginx(
  options: SiteOptions,
  config: EdgeConfig & { edgeToken: string },
): Promise<string> {
  const site = await siteOf(options, config, config.edgeToken);
  return standaloneFile(nginxSite({ ...site, version: await nginxVersion(), cache: '/tmp/fathom-edge' }));
}

/** Removes what `installEdge` wrote. @returns whether there was anything */
export async function removeEdge(): Promise<boolean> {
  const removed: boolean[] = [];
  for (const program of Object.values(PROGRAMS)) removed.push(await removeSite(program));
  if (await exists(ENV_FILE)) removed.push(await changeSettings(withoutEdgeSettings));
  removed.push(await exists(TOKEN_FILE));
  await rm(TOKEN_FILE, { force: true });
  return removed.includes(true);
}

async function removeSite(program: Program): Promise<boolean> {
  const text = await readFile(program.file, 'utf8').catch(() => null);
  if (text?.startsWith(SITE_MARK) !== true) return false;
  await rm(program.file);
  if (program === PROGRAMS.nginx) await rm(NGINX_CACHE, { recursive: true, force: true });
  await reload(program, () => {});
  return true;
}

/** The text of the file of an earlier run; null without one. @throws FathomError `conflict` for a file that something else wrote */
async function ownFile(path: string): Promise<string | null> {
  const text = await readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return null;
    throw error;
  });
  if (text === null || text.startsWith(SITE_MARK)) return text;
  throw new FathomError(
    'conflict',
    `${path} exists, and 'fathomd install --edge' did not write it; move it away, then run this command again`,
  );
}

async function writeSite({ file, mode, group }: Program, text: string): Promise<void> {
  const gid = group === null ? 0 : Number(await run('id', ['--group', group]));
  await replaceFile(file, text, { mode, gid, synced: true });
}

async function readToken(): Promise<{ value: string; isNew: boolean }> {
  const value = await readFile(TOKEN_FILE, 'utf8').catch(() => null);
  if (value !== null) return { value: value.trim(), isNew: false };
  return { value: randomBytes(32).toString('base64url'), isNew: true };
}

function readConfig(edgeToken: string): Config {
  return loadConfig({
    commandLine: { envFile: ENV_FILE },
    env: { CREDENTIALS_DIRECTORY: CREDENTIALS, EDGE_TOKEN: edgeToken },
    cwd: DATA,
  }).config;
}

async function siteOf(
  { domain, ...files }: SiteOptions,
  config: EdgeConfig,
  edgeToken: string,
): Promise<Site> {
  const certificate = files.certificate ?? `/etc/letsencrypt/live/${domain}/fullchain.pem`;
  const certificateKey = files.certificateKey ?? `/etc/letsencrypt/live/${domain}/privkey.pem`;
  const problem =
    domainProblem(domain) ??
    pathProblem('--certificate', certificate) ??
    pathProblem('--certificate-key', certificateKey);
  if (problem !== null) throw new FathomError('request.invalid', problem);
  for (const path of [certificate, certificateKey]) {
    if (
      await access(path).then(
        () => true,
        () => false,
      )
    )
      continue;
    throw new FathomError(
      'conflict',
      `${path} does not exist; name the files of a certificate for api.${domain}, auth.${domain} and *.db.${domain} with --certificate and --certificate-key`,
    );
  }
  return {
    domain,
    certificate,
    certificateKey,
    edgeToken,
    api: connectAddress(config.server.host, config.server.port),
    global: connectAddress(config.bindAddress, config.globalPort),
    databaseHost: urlHost(connectHost(config.bindAddress)),
    requestsPerMinute: config.limits.requestsPerMinute,
    connectionsPerAddress: config.limits.connectionsPerAddress,
    ports: { http: 80, https: 443 },
    hasIPv6: await exists('/proc/net/if_inet6'),
  };
}

/** From which the proxy connects: for a server on another address of this host, that address. */
function proxyAddresses({ server }: Config): string[] {
  return [...new Set(['127.0.0.1', '::1', connectHost(server.host)])].filter((host) => host !== 'localhost');
}

/** @returns whether the env file was changed */
async function changeSettings(change: (text: string) => string): Promise<boolean> {
  const text = await readFile(ENV_FILE, 'utf8');
  const changed = change(text);
  if (changed === text) return false;
  const { mode, gid } = await stat(ENV_FILE);
  await replaceFile(ENV_FILE, changed, { mode: mode & 0o777, gid, synced: true });
  return true;
}

async function reload({ unit }: Program, print: InstallContext['print']): Promise<void> {
  const state = await run('systemctl', ['is-active', unit]).catch(() => 'inactive');
  if (state === 'active') await run('systemctl', ['reload', unit]);
  else print(`${unit} does not run; start it with 'systemctl enable --now ${unit}'`);
}

async function nginxVersion() {
  const output = await run('sh', ['-c', 'nginx -v 2>&1']).catch(() => '');
  const version = parseNginxVersion(output);
  if (version !== null) return version;
  throw new FathomError('conflict', "nginx is not installed; run 'apt-get install nginx'");
}

async function requireCaddy(): Promise<void> {
  const caddyfile = await readFile(CADDYFILE, 'utf8').catch(() => null);
  if (caddyfile === null)
    throw new FathomError('conflict', "Caddy is not installed; run 'apt-get install caddy'");
  if (/^\s*import\s+(?:\/etc\/caddy\/)?Caddyfile\.d\/\*/m.test(caddyfile)) return;
  throw new FathomError(
    'conflict',
    `${CADDYFILE} does not read the files of Caddyfile.d; add the line 'import Caddyfile.d/*.caddyfile' to it`,
  );
}

async function workerHints(): Promise<string[]> {
  const conf = await readFile(NGINX_CONF, 'utf8').catch(() => '');
  const connections = Number(/^\s*worker_connections\s+(\d+)\s*;/m.exec(conf)?.[1] ?? Number.NaN);
  if (!(connections < MIN_WORKER_CONNECTIONS)) return [];
  return [
    `${NGINX_CONF} allows ${connections} connections per worker, and a request takes two; raise worker_connections to ${MIN_WORKER_CONNECTIONS} or more`,
  ];
}
