import { type ACCESSES, EDGE_TOKEN_HEADER } from '../../../../shared/api/edge.ts';
import {
  CLIENT_SHARE,
  CLOSED_PATHS,
  CONNECTIONS_PER_DATABASE,
  DATABASE_SHARE,
  HSTS,
  MAX_UPLOAD_MB,
  NAME_PATTERN,
  SITE_MARK,
  type Site,
} from './site.ts';

/** From this version on, `http2` is a directive of its own. */
const HTTP2_DIRECTIVE: readonly [number, number, number] = [1, 25, 1];
/** A page of an application sends many requests at once. */
const MIN_BURST = 20;
/** A client may send the requests of this many seconds at once. */
const BURST_S = 2;
/** Larger than the sum of open databases and unknown names of a flood. An entry has 128 bytes. */
const CACHE_KEYS = '16m';
/** The largest limit that nginx accepts. */
const MAX_CONNECTIONS = 65_535;
/** A forwarded request takes two connections. */
export const MIN_WORKER_CONNECTIONS = 4096;
/** How long a database that is not used can be reached after the daemon has ended. */
const STALE = '7d';

export interface NginxSite extends Site {
  version: readonly [number, number, number];
  /** Directory of the cached ports. */
  cache: string;
}

/** Parses the output of `nginx -v`; null when it is not from nginx. */
export function parseNginxVersion(output: string): NginxSite['version'] | null {
  const [, major, minor, patch] = /nginx\/(\d+)\.(\d+)\.(\d+)/.exec(output) ?? [];
  return major === undefined ? null : [Number(major), Number(minor), Number(patch)];
}

/**
 * The site for nginx, a file for `/etc/nginx/conf.d`. Every directive outside of a server has a name of its own, so none
 * collides with those of nginx.conf or other sites.
 */
export function nginxSite(site: NginxSite): string {
  const { domain, api, global, databaseHost } = site;
  const ofClient = site.requestsPerMinute * CLIENT_SHARE;
  const ofDatabase = site.requestsPerMinute * DATABASE_SHARE;
  const burst = (share: number) =>
    Math.max(MIN_BURST * share, Math.ceil((site.requestsPerMinute * share * BURST_S) / 60));
  const dots = domain.replaceAll('.', '\\.');
  return `${SITE_MARK}
# It contains EDGE_TOKEN, so only root may read it.

# Ports of databases. Fathom's answers are fresh for 2 seconds, and used while Fathom does not answer.
proxy_cache_path ${site.cache} keys_zone=fathom_ports:${CACHE_KEYS} max_size=256m inactive=${STALE} use_temp_path=off;

# The name of the database; empty for every other name. nginx has lower-cased $host and removed its port and last dot.
map $host $fathom_name {
    default "";
    "~^(?<fathom_label>${NAME_PATTERN})\\.db\\.${dots}$" $fathom_label;
}

# The client: an IPv4 address, or the first address of an IPv6 /64 network.
map $remote_addr $fathom_client {
    default $remote_addr;
    "~^(?<fathom_net>[0-9a-f]{1,4}(:[0-9a-f]{1,4}){3}):" "$fathom_net::";
    "~^(?<fathom_part>[0-9a-f]{1,4}(:[0-9a-f]{1,4}){0,2})::([0-9a-f]{1,4}(:[0-9a-f]{1,4}){0,3})?$" "$fathom_part::";
}

map $http_upgrade $fathom_connection {
    default upgrade;
    "" "";
}

limit_req_zone $fathom_client zone=fathom_client_requests:10m rate=${ofClient}r/m;
limit_req_zone $fathom_name zone=fathom_database_requests:10m rate=${ofDatabase}r/m;
limit_conn_zone $fathom_client zone=fathom_client_connections:10m;
limit_conn_zone $fathom_name zone=fathom_database_connections:10m;

upstream fathom_api {
    server ${api};
    keepalive 16;
}

# Every name that no other server has, unless another site has a default server.
server {
${tls(site)}
    server_name _;
    return 404;
}

server {
${listen(site, site.ports.http)}
    server_name api.${domain} auth.${domain} *.db.${domain};
    return 308 https://$host$request_uri;
}

# The API of Fathom and its stream. A ping every 30 s keeps the stream open.
server {
${common(site)}
    server_name api.${domain};
    client_max_body_size 1m;
${answers('problem')}
${limits(site, burst(CLIENT_SHARE))}
${forward('$remote_addr', '$http_upgrade', '$fathom_connection')}
    location / {
        proxy_pass http://fathom_api;
        proxy_buffering off;
        proxy_read_timeout 120s;
    }
    # Prometheus on this host reads http://${api}/metrics.
    location = /metrics { return 404; }
    location /api/v1/edge/ { return 404; }
}

# The global PocketBase: users sign up and sign in with the PocketBase SDK.
server {
${common(site)}
    server_name auth.${domain};
    client_max_body_size 1m;
${answers('pocketbase')}
${limits(site, burst(CLIENT_SHARE))}
${forward('$remote_addr', '""', '""')}
    location / {
        proxy_pass http://${global};
        # A realtime connection ends after 5 minutes without a message.
        proxy_read_timeout 360s;
    }
    location ~* "${CLOSED_PATHS}" { return 404; }
}

# The databases: NAME.db.${domain}. The longest wildcard wins over shorter ones and over regular expressions.
server {
${common(site)}
    server_name *.db.${domain};
    if ($fathom_name = "") { return 404; }

    client_max_body_size ${MAX_UPLOAD_MB}m;
${answers('pocketbase')}
${limits(site, burst(CLIENT_SHARE))}
    limit_req zone=fathom_database_requests burst=${burst(DATABASE_SHARE)} nodelay;
    limit_conn fathom_database_connections ${CONNECTIONS_PER_DATABASE};

    # The first address of the network in place of an IPv6 address: PocketBase counts every address separately.
${forward('$fathom_client', '""', '""')}
    # PocketBase reads uploads itself. Its answers may be buffered, except those that say otherwise (X-Accel-Buffering).
    proxy_request_buffering off;
    proxy_max_temp_file_size 0;
    proxy_read_timeout 360s;

    location / {
        auth_request ${lookupPath('user')};
        auth_request_set $fathom_port $upstream_http_fathom_port;
        proxy_pass http://${databaseHost}:$fathom_port;
    }
    # What only superusers use: open for databases that are marked as a developer's.
    location ~* "${CLOSED_PATHS}" {
        auth_request ${lookupPath('superuser')};
        auth_request_set $fathom_port $upstream_http_fathom_port;
        proxy_pass http://${databaseHost}:$fathom_port;
    }
${lookup(site, 'user')}
${lookup(site, 'superuser')}
    location @fathom_no_database { internal; return 403; }
}
`;
}

/**
 * A complete configuration with a site, for nginx in the foreground of a container: without root, and with all files in /tmp.
 *
 * @param site the text of `nginxSite`
 */
export function standaloneFile(site: string): string {
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map(
    (name) => `    ${name}_temp_path /tmp/nginx-${name};`,
  );
  return `daemon off;
pid /tmp/nginx.pid;
error_log stderr warn;
worker_processes auto;
events { worker_connections ${MIN_WORKER_CONNECTIONS}; }
http {
${temporary.join('\n')}
    access_log off;
    default_type application/octet-stream;
    sendfile on;
    tcp_nopush on;
${site.replace(`${SITE_MARK}\n`, '')}}
`;
}

function tls(site: NginxSite): string {
  const hasDirective = isAtLeast(site.version, HTTP2_DIRECTIVE);
  const http2 = hasDirective ? '\n    http2 on;' : '';
  return `${listen(site, site.ports.https, hasDirective ? ' ssl' : ' ssl http2')}${http2}
    ssl_certificate     ${site.certificate};
    ssl_certificate_key ${site.certificateKey};
    ssl_protocols       TLSv1.2 TLSv1.3;
    ssl_session_cache   shared:fathom:10m;
    server_tokens off;`;
}

/** What every server of Fathom has. */
function common(site: NginxSite): string {
  return `${tls(site)}
    merge_slashes on;
    absolute_redirect off;
    client_header_timeout 10s;
    client_body_timeout 20s;
    send_timeout 30s;
    keepalive_timeout 30s;
    gzip on;
    gzip_proxied any;
    gzip_vary on;
    gzip_min_length 1000;
    gzip_types application/json application/problem+json application/javascript text/javascript text/css image/svg+xml;
    proxy_hide_header Strict-Transport-Security;
    add_header Strict-Transport-Security "${HSTS}" always;`;
}

function listen({ hasIPv6 }: Site, port: number, options = ''): string {
  const addresses = [String(port), ...(hasIPv6 ? [`[::]:${port}`] : [])];
  return addresses.map((address) => `    listen ${address}${options};`).join('\n');
}

function isAtLeast(version: readonly number[], wanted: readonly number[]): boolean {
  const index = wanted.findIndex((part, at) => part !== version[at]);
  return index === -1 || (version[index] ?? 0) > (wanted[index] ?? 0);
}

function limits({ connectionsPerAddress }: Site, burst: number): string {
  return `    limit_req zone=fathom_client_requests burst=${burst} nodelay;
    limit_req_status 429;
    limit_conn fathom_client_connections ${Math.min(connectionsPerAddress, MAX_CONNECTIONS)};
    limit_conn_status 429;`;
}

/** Headers that clients cannot set themselves. A response must not make nginx serve another location. */
function forward(client: string, upgrade: string, connection: string): string {
  return `    proxy_http_version 1.1;
    proxy_connect_timeout 2s;
    proxy_send_timeout 30s;
    proxy_set_header Host $host;
    proxy_set_header X-Forwarded-For ${client};
    proxy_set_header X-Forwarded-Proto $scheme;
    proxy_ignore_headers X-Accel-Redirect X-Accel-Limit-Rate X-Accel-Charset X-Accel-Expires;
    proxy_set_header X-Real-IP ${client};
    proxy_set_header X-Request-Id $request_id;
    proxy_set_header ${EDGE_TOKEN_HEADER} "";
    proxy_set_header Upgrade ${upgrade};
    proxy_set_header Connection ${connection};`;
}

/**
 * The location of the question to Fathom. nginx takes 2xx, 401 and 403 for an answer, everything else is an error. So an
 * unknown name becomes 403.
 */
function lookup({ edgeToken }: Site, access: (typeof ACCESSES)[number]): string {
  return `    location = ${lookupPath(access)} {
        internal;
        proxy_pass http://fathom_api/api/v1/edge/databases/$fathom_name?access=${access};
        proxy_pass_request_headers off;
        proxy_pass_request_body off;
        proxy_set_header Content-Length "";
        proxy_set_header Connection "";
        proxy_set_header ${EDGE_TOKEN_HEADER} "${edgeToken}";
        proxy_connect_timeout 1s;
        proxy_read_timeout 2s;
        proxy_cache fathom_ports;
        proxy_cache_key "$fathom_name ${access}";
        proxy_cache_lock on;
        proxy_cache_lock_timeout 1s;
        proxy_cache_use_stale error timeout updating http_429 http_500 http_502 http_503 http_504;
        proxy_ignore_headers Expires Set-Cookie Vary X-Accel-Expires;
        proxy_intercept_errors on;
        error_page 404 = @fathom_no_database;
    }`;
}

function lookupPath(access: string): string {
  return `/.fathom/${access}`;
}

type Form = 'problem' | 'pocketbase';

const NOT_FOUND = 'There is nothing at this address.';
/** Errors of nginx itself. `codes` are the statuses that become this one. */
const ERRORS = [
  { status: 404, codes: [403, 404], code: 'not_found', title: 'Not found', text: NOT_FOUND },
  {
    status: 413,
    codes: [413],
    code: 'request.too_large',
    title: 'Too large',
    text: 'The request is too large.',
  },
  {
    status: 429,
    codes: [429],
    code: 'rate_limited',
    title: 'Too many requests',
    text: 'Too many requests. Try again later.',
    retryAfterS: 1,
  },
  {
    status: 503,
    codes: [401, 500, 502, 503, 504],
    code: 'daemon.unreachable',
    title: 'Not available',
    text: 'Not available now. Try again later.',
    retryAfterS: 2,
  },
];

/** Answers for errors of nginx itself. Errors of the API and of PocketBase pass unchanged. */
function answers(form: Form): string {
  return ERRORS.map(({ status, codes, retryAfterS, ...words }) => {
    const location = `@fathom_${status}`;
    const { type, body } = errorBody(form, status, words);
    const headers = [
      ['Strict-Transport-Security', `"${HSTS}"`],
      // As PocketBase itself.
      ...(form === 'pocketbase' ? [['Access-Control-Allow-Origin', '*']] : []),
      ...(retryAfterS === undefined ? [] : [['Retry-After', retryAfterS]]),
    ];
    return `    error_page ${codes.join(' ')} = ${location};
    location ${location} {
        internal;
        default_type ${type};
${headers.map(([name, value]) => `        add_header ${name} ${value} always;`).join('\n')}
        return ${status} '${body}';
    }`;
  }).join('\n');
}

function errorBody(
  form: Form,
  status: number,
  { code, title, text }: { code: string; title: string; text: string },
): { type: string; body: string } {
  if (form === 'pocketbase')
    return { type: 'application/json', body: JSON.stringify({ data: {}, message: text, status }) };
  const problem = { type: 'about:blank', title, status, detail: text, code, request_id: '$request_id' };
  return { type: 'application/problem+json', body: JSON.stringify(problem) };
}
