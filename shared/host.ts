/** A host as it is written in a URL: an IPv6 address gets its brackets. */
export function urlHost(host: string): string {
  return host.includes(':') ? `[${host}]` : host;
}

/** `host:port`, with the brackets that an IPv6 address needs. */
export function hostAndPort(host: string, port: number): string {
  return `${urlHost(host)}:${port}`;
}

/** The address to connect to for a server that listens on `host`: a wildcard address is reached over loopback. */
export function connectHost(host: string): string {
  if (host === '0.0.0.0') return '127.0.0.1';
  if (host === '::') return '::1';
  return host;
}

/** `host:port` to connect to for a server that listens on `host`, as it is written in a URL. */
export function connectAddress(host: string, port: number): string {
  return hostAndPort(connectHost(host), port);
}

/** Whether connections to the host, in the form of a setting or a URL, stay on this machine. */
export function isLoopbackHost(host: string): boolean {
  return ['127.0.0.1', '::1', '[::1]', 'localhost'].includes(host.toLowerCase());
}
