import { setGlobalProxyFromEnv } from 'node:http';
import { urlHost } from './host.ts';

/** Node expects an IPv6 address in brackets, Go without them. */
const LOOPBACK = ['localhost', '127.0.0.1', '[::1]', '::1'];
const WILDCARDS: ReadonlySet<string> = new Set(['0.0.0.0', '::']);

/**
 * Sets NO_PROXY so that requests to this host's own addresses do not use the proxy from the environment. Applies to this
 * process and its child processes.
 *
 * @param hosts addresses and names in addition to loopback
 */
export function exemptFromProxy(hosts: readonly string[] = []): void {
  const value = mergeNoProxy(process.env['no_proxy'] ?? process.env['NO_PROXY'], hosts);
  // Some programs read the lower-case variable first, others the upper-case one.
  process.env['no_proxy'] = value;
  process.env['NO_PROXY'] = value;
  // Node reads the variables only at its start.
  if (process.env['NODE_USE_ENV_PROXY'] === '1') setGlobalProxyFromEnv(process.env);
}

/** Adds loopback and `hosts` to a value of NO_PROXY. */
export function mergeNoProxy(before: string | undefined, hosts: readonly string[]): string {
  const own = hosts.filter((host) => !WILDCARDS.has(host)).flatMap((host) => [urlHost(host), host]);
  const known = (before ?? '').split(',').map((entry) => entry.trim());
  const all = [...known.filter((entry) => entry !== ''), ...LOOPBACK, ...own];
  return [...new Set(all)].join(',');
}
