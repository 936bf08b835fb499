import { setGlobalProxyFromEnv } from 'node:http';
import { urlHost } from './host.ts';

/** Node wants an IPv6 address as in a URL, Go as it is. */
const LOOPBACK = ['localhost', '127.0.0.1', '[::1]', '::1'];
const WILDCARDS: ReadonlySet<string> = new Set(['0.0.0.0', '::']);

/**
 * Keeps requests to this host's own addresses away from the proxy that the environment names: in this process, and in those
 * that are started with its environment.
 *
 * @param hosts addresses and names, beside loopback
 */
export function exemptFromProxy(hosts: readonly string[] = []): void {
  const value = exemptions(process.env['no_proxy'] ?? process.env['NO_PROXY'], hosts);
  // Programs disagree on which one comes first.
  process.env['no_proxy'] = value;
  process.env['NO_PROXY'] = value;
  // Node has read the variables when it started.
  if (process.env['NODE_USE_ENV_PROXY'] === '1') setGlobalProxyFromEnv(process.env);
}

/** The value of NO_PROXY that holds these hosts as well. */
export function exemptions(before: string | undefined, hosts: readonly string[]): string {
  const own = hosts.filter((host) => !WILDCARDS.has(host)).flatMap((host) => [urlHost(host), host]);
  const known = (before ?? '').split(',').map((entry) => entry.trim());
  const all = [...known.filter((entry) => entry !== ''), ...LOOPBACK, ...own];
  return [...new Set(all)].join(',');
}
