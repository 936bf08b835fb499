import type { HostFacts } from './facts/host-facts.ts';
import { type Finding, ok, warning } from './finding.ts';

/** After this time, a proxy that is used has sent a request. */
const QUIET_MS = 3_600_000;

/** Compares the settings for reverse proxies with what the daemon has seen of them. */
export function checkEdge({ edge, daemon, now }: HostFacts): Finding[] {
  if (edge === null) return [];
  const findings = checkSettings(edge);
  if (daemon.state !== 'ready') return findings;
  const { trusted, untrusted } = daemon.proxies;
  if (untrusted !== null) {
    findings.push(
      warning(
        'edge',
        `${untrusted} sends X-Forwarded-For and is not in TRUSTED_PROXIES, so all clients behind it share its limits`,
        `if it is your reverse proxy, run 'fathomd install --edge' or add it to TRUSTED_PROXIES, then restart the daemon`,
      ),
    );
  }
  const upMs = now.getTime() - Date.parse(daemon.startedAt);
  if (edge.trustedProxies.length > 0 && trusted === 0 && upMs > QUIET_MS) {
    findings.push(
      warning(
        'edge',
        'TRUSTED_PROXIES is set, and no proxy has sent a request since the start of the daemon',
        'check the proxy; without one, remove TRUSTED_PROXIES, because every program at these addresses can forge the address of a client',
      ),
    );
  }
  if (findings.length > 0) return findings;
  return trusted === 0 ? [] : [ok('edge', 'requests arrive through a trusted proxy')];
}

function checkSettings({ hasToken, trustedProxies, publicUrl }: NonNullable<HostFacts['edge']>): Finding[] {
  if (!hasToken) return [];
  const wrong = [
    ...(trustedProxies.length === 0 ? ['TRUSTED_PROXIES is empty'] : []),
    ...(publicUrl.startsWith('https://{name}.') && !publicUrl.includes('{port}')
      ? []
      : [`PB_PUBLIC_URL is ${publicUrl}`]),
  ];
  return wrong.map((what) =>
    warning(
      'edge',
      `EDGE_TOKEN is set, but ${what}`,
      "run 'fathomd install --edge' again and restart the daemon",
    ),
  );
}
