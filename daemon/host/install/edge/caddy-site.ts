import { type ACCESSES, EDGE_TOKEN_HEADER } from '../../../../shared/api/edge.ts';
import { CLOSED_PATHS, HSTS, MAX_UPLOAD_MB, NAME_PATTERN, SITE_MARK, type Site } from './site.ts';

/** How long a request waits for a daemon that restarts: Caddy has no cache for the ports. */
const WAIT_S = 10;

/** The site for Caddy, a file that its Caddyfile imports. Such a file cannot have global options. */
export function caddySite(site: Site): string {
  const { domain, api, global } = site;
  const name = `header_regexp name Host (?i)^(${NAME_PATTERN})\\.db\\.${domain.replaceAll('.', '\\.')}\\.?(:[0-9]+)?$`;
  const closed = `path_regexp (?i)${CLOSED_PATHS}`;
  return `${SITE_MARK}
# It contains EDGE_TOKEN, so only root and the group of Caddy may read it.

(fathom_common) {
	tls ${site.certificate} ${site.certificateKey}
	header {
		Strict-Transport-Security "${HSTS}"
		defer
	}
	encode gzip {
		match {
			header Content-Type application/json*
			header Content-Type application/problem+json*
			header Content-Type application/javascript*
			header Content-Type text/javascript*
			header Content-Type text/css*
			header Content-Type image/svg+xml*
		}
	}
	handle_errors {
		@large expression \`{http.error.status_code} == 413\`
		handle @large {
${answer(413, 'The request is too large.')}
		}
		handle {
${answer(503, 'Not available now. Try again later.')}
		}
	}
}

# The API of Fathom and its stream.
api.${domain} {
	import fathom_common
	request_body {
		max_size 1MB
	}
	@closed path /metrics /api/v1/edge/*
	handle @closed {
${answer(404, 'There is nothing at this address.')}
	}
	handle {
		reverse_proxy ${api} {
			header_up -${EDGE_TOKEN_HEADER}
			flush_interval -1
		}
	}
}

# The global PocketBase: users sign up and sign in with the PocketBase SDK.
auth.${domain} {
	import fathom_common
	request_body {
		max_size 1MB
	}
	@closed ${closed}
	handle @closed {
${answer(404, 'There is nothing at this address.')}
	}
	handle {
		reverse_proxy ${global} {
			header_up X-Real-IP {remote_host}
		}
	}
}

# The databases: NAME.db.${domain}.
*.db.${domain} {
	import fathom_common
	request_body {
		max_size ${MAX_UPLOAD_MB}MB
	}
	# What only superusers use: open for databases that are marked as a developer's.
	@superuser {
		${name}
		${closed}
	}
	handle @superuser {
${database(site, 'superuser')}
	}
	@user ${name}
	handle @user {
${database(site, 'user')}
	}
	handle {
${answer(404, 'There is nothing at this address.')}
	}
}
`;
}

/** Asks Fathom for the port, and forwards the request to it. */
function database({ api, databaseHost, edgeToken }: Site, access: (typeof ACCESSES)[number]): string {
  return `		reverse_proxy ${api} {
			method GET
			rewrite /api/v1/edge/databases/{re.name.1}?access=${access}
			header_up -Authorization
			header_up -Cookie
			header_up -Fathom-Role
			header_up ${EDGE_TOKEN_HEADER} ${edgeToken}
			lb_try_duration ${WAIT_S}s
			@found status 2xx
			handle_response @found {
				vars fathom_port {rp.header.Fathom-Port}
			}
			@missing status 404
			handle_response @missing {
${answer(404, 'There is nothing at this address.')}
			}
			handle_response {
${answer(503, 'Not available now. Try again later.')}
			}
		}
		reverse_proxy ${databaseHost}:{vars.fathom_port} {
			header_up X-Real-IP {remote_host}
			header_up -${EDGE_TOKEN_HEADER}
		}`;
}

/** An error in the form of PocketBase. */
function answer(status: number, message: string): string {
  return `		header Content-Type application/json
		header Access-Control-Allow-Origin *
		respond \`${JSON.stringify({ data: {}, message, status })}\` ${status}`;
}
