import { EDGE_TOKEN_HEADER } from '../../../../shared/api/edge.ts';
import type { EdgeHosts } from '../../../config/edge-hosts.ts';
import { CLOSED_PATHS, HSTS, MAX_UPLOAD_MB } from './site.ts';

/** How long a request waits for a name that moves to another node, in seconds. */
export const HOLD_S = 20;
const HOLD_STEP_MS = 50;
/** Retries of a connection that is refused, a second apart: the process of a database starts again meanwhile. */
const CONNECT_RETRIES = 3;

/** What was sent to a server and not received there ends the connection. */
const UNACKNOWLEDGED_S = 5;

export interface HaproxySite {
  hosts: EdgeHosts;
  /** Paths of the files that `fathomd edge haproxy` writes. */
  routesMap: string;
  holdScript: string;
  /** Of the admin socket. */
  socketPath: string;
  /** With its key and all intermediate certificates; null without TLS. */
  certificate: string | null;
  /** That HAProxy runs as; null for the account that starts it. */
  account: string | null;
  ports: { http: number; https: number };
}

/** The complete configuration of an HAProxy in front of all nodes of a cluster. */
export function haproxySite(site: HaproxySite): string {
  const { hosts, routesMap, account } = site;
  return `# Written by fathomd edge haproxy. Write it again instead of changing it.

global
${account === null ? '' : `    user ${account}\n    group ${account}\n`}    log stdout format short daemon notice
    lua-load ${site.holdScript}
    # 'fathomd edge run' sets the routes here.
    stats socket ${site.socketPath} mode 660 level admin

defaults
    mode http
    log global
    option dontlog-normal
    # Without it, the first event of a realtime connection comes 200 ms late.
    option http-no-delay
    timeout connect 1s
    timeout http-request 10s
    timeout http-keep-alive 30s
    # A realtime connection ends after 5 minutes without a message.
    timeout client 360s
    timeout server 360s
    timeout tunnel 1h
    retries ${CONNECT_RETRIES}
    retry-on conn-failure
    compression algo gzip
    compression type application/json application/problem+json application/javascript text/javascript text/css image/svg+xml
${ERRORS.map(errorLine).join('\n')}

frontend fathom
${binds(site)}
    http-request set-var(txn.fathom_host) req.hdr(host),lower,field(1,:),regsub([.]$,)
    # ADDRESS|PORT, moving or closed.
    http-request set-var(txn.fathom_route) var(txn.fathom_host),map(${routesMap})
    http-request deny deny_status 404 unless { var(txn.fathom_route) -m found }
    # As PocketBase and the API read it. Neither answers a path with a segment of dots.
    http-request set-var(txn.fathom_path) path,url_dec,regsub(/+,/,g)
    # One that cannot be decoded would match none of these.
    http-request deny deny_status 400 unless { var(txn.fathom_path) -m found }
    acl fathom_api var(txn.fathom_host) -m str ${hosts.api}
    acl fathom_auth var(txn.fathom_host) -m str ${hosts.auth}
    http-request deny deny_status 404 if { var(txn.fathom_path) -m reg '/\\.\\.?(/|$)' }
    # What only superusers use.
    http-request deny deny_status 404 if !fathom_api { var(txn.fathom_path) -m reg -i '${CLOSED_PATHS}' }
    http-request deny deny_status 404 if fathom_api { var(txn.fathom_path) -m reg -i '^/(metrics/?|api/v1/edge(/.*)?)$' }
    http-request deny deny_status 413 if { req.hdr_val(content-length) gt ${MAX_UPLOAD_MB * 2 ** 20} }
    acl fathom_large req.hdr_val(content-length) gt ${2 ** 20}
    http-request deny deny_status 413 if fathom_large fathom_api or fathom_large fathom_auth
    http-request lua.fathom_hold if { var(txn.fathom_route) -m str moving }
    http-request deny deny_status 503 unless { var(txn.fathom_route) -m sub | }
    # Headers that clients cannot set themselves.
    # An IPv4 address as such, also from a socket of IPv6.
    http-request set-var(txn.fathom_client) src,ipmask(32,128)
    # The first address of the network in place of an IPv6 address: PocketBase counts every address separately.
    http-request set-var(txn.fathom_client) src,ipmask(32,64) unless fathom_api or fathom_auth
    http-request set-header X-Forwarded-For %[var(txn.fathom_client)]
    http-request set-header X-Real-IP %[var(txn.fathom_client)]
    http-request set-header X-Forwarded-Proto http
    http-request set-header X-Forwarded-Proto https if { ssl_fc }
    http-request del-header Forwarded
    http-request del-header ${EDGE_TOKEN_HEADER}
    http-request set-dst var(txn.fathom_route),field(1,|)
    http-request set-dst-port var(txn.fathom_route),field(2,|)
${site.certificate === null ? '' : `    http-response set-header Strict-Transport-Security ${HSTS} if { ssl_fc }\n`}    default_backend fathom

backend fathom
    # Connections to a server that is lost end, also those without a request. Their clients then come again.
    option srvtcpka
    srvtcpka-idle 10s
    srvtcpka-intvl 2s
    srvtcpka-cnt 3
    # The address that was set above.
    server any 0.0.0.0:0 tcp-ut ${UNACKNOWLEDGED_S}s
`;
}

/** The script of HAProxy that lets a request wait while its name moves. */
export function holdScript({ routesMap }: Pick<HaproxySite, 'routesMap'>): string {
  return `-- Written by fathomd edge haproxy.
local routes = Map.new("${routesMap}", Map._str)

core.register_action("fathom_hold", { "http-req" }, function(txn)
    local host = txn:get_var("txn.fathom_host")
    for _ = 1, ${(HOLD_S * 1000) / HOLD_STEP_MS} do
        local route = routes:lookup(host)
        if route ~= "moving" then
            txn:set_var("txn.fathom_route", route or "closed")
            return
        end
        core.msleep(${HOLD_STEP_MS})
    end
end, 0)
`;
}

function binds({ certificate, ports }: HaproxySite): string {
  const http = `    bind :::${ports.http} v4v6`;
  if (certificate === null) return http;
  const tls = `    bind :::${ports.https} v4v6 ssl crt ${certificate} alpn h2,http/1.1 ssl-min-ver TLSv1.2`;
  return `${http}\n${tls}\n    http-request redirect scheme https code 308 unless { ssl_fc }`;
}

const UNAVAILABLE = 'Not available now. Try again later.';
/** Errors of HAProxy itself, in the form of PocketBase. */
const ERRORS = [
  { status: 400, message: 'The request is not valid.' },
  { status: 404, message: 'There is nothing at this address.' },
  { status: 408, message: 'The request was not complete in time.' },
  { status: 413, message: 'The request is too large.' },
  { status: 500, message: 'Something went wrong.' },
  { status: 502, message: UNAVAILABLE },
  { status: 503, message: UNAVAILABLE },
  { status: 504, message: UNAVAILABLE },
] as const;

function errorLine({ status, message }: (typeof ERRORS)[number]): string {
  const body = JSON.stringify({ data: {}, message, status });
  const retry = status >= 502 ? ' hdr Retry-After 2' : '';
  return `    http-error status ${status} content-type application/json string '${body}' hdr Access-Control-Allow-Origin * hdr Cache-Control no-store${retry}`;
}
