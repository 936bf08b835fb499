import { urlHost } from '../../shared/host.ts';

const PLACEHOLDERS = ['name', 'port', 'host'];

export interface PublicUrlParts {
  name: string;
  port: number;
  host: string;
}

/** Fills in the placeholders of PB_PUBLIC_URL. An IPv6 address gets brackets; the result has no trailing slash. */
export function expandPublicUrl(template: string, { name, port, host }: PublicUrlParts): string {
  return template
    .replaceAll('{name}', name)
    .replaceAll('{port}', String(port))
    .replaceAll('{host}', urlHost(host))
    .replace(/\/+$/, '');
}

/** The problem of a template, with its remedy; null for a valid one. */
export function publicUrlProblem(template: string): string | null {
  const used = [...template.matchAll(/\{([^{}]*)\}/g)].map((match) => match[1] ?? '');
  const unknown = used.find((name) => !PLACEHOLDERS.includes(name));
  if (unknown !== undefined) return `{${unknown}} is unknown; use {name}, {port} and {host}`;
  if (/[{}]/.test(template.replace(/\{[^{}]*\}/g, '')))
    return 'has an unmatched brace; write {name}, {port} or {host}';
  if (!used.includes('name') && !used.includes('port'))
    return 'needs {name} or {port}, so that every user gets a different URL';
  const sample = URL.parse(
    expandPublicUrl(template, { name: '2024-01-15-001-user', port: 9000, host: '127.0.0.1' }),
  );
  if (sample === null || !['http:', 'https:'].includes(sample.protocol)) {
    return 'is not an http or https URL; write it like http://{host}:{port} or https://{name}.example.com';
  }
  if (sample.username !== '' || sample.password !== '')
    return 'must not contain a user name or password; remove them';
  if (sample.search !== '' || sample.hash !== '') return 'must not contain a query or a fragment; remove it';
  return null;
}
