import { urlHost } from '../../shared/host.ts';

const PLACEHOLDERS = ['name', 'port', 'host'];

export interface PublicUrlParts {
  name: string;
  port: number;
  host: string;
}

/** Fills in PB_PUBLIC_URL; an IPv6 address gets its brackets. No slash at the end. */
export function expandPublicUrl(template: string, { name, port, host }: PublicUrlParts): string {
  return template
    .replaceAll('{name}', name)
    .replaceAll('{port}', String(port))
    .replaceAll('{host}', urlHost(host))
    .replace(/\/+$/, '');
}

/** What is wrong with a template and how to mend it, or null. */
export function publicUrlProblem(template: string): string | null {
  const used = [...template.matchAll(/\{([^{}]*)\}/g)].map((match) => match[1] ?? '');
  const unknown = used.find((name) => !PLACEHOLDERS.includes(name));
  if (unknown !== undefined) return `{${unknown}} is unknown; use {name}, {port} and {host}`;
  if (/[{}]/.test(template.replace(/\{[^{}]*\}/g, '')))
    return 'has a brace without its pair; write {name}, {port} or {host}';
  // Without one of the two, every user would be handed the same address.
  if (!used.includes('name') && !used.includes('port'))
    return 'needs {name} or {port}, which tell the users apart';
  const sample = URL.parse(
    expandPublicUrl(template, { name: '2024-01-15-001-user', port: 9000, host: '127.0.0.1' }),
  );
  if (sample === null || !['http:', 'https:'].includes(sample.protocol)) {
    return 'is not an http or https URL; write one like http://{host}:{port} or https://{name}.example.com';
  }
  if (sample.username !== '' || sample.password !== '')
    return 'must not hold a user name or password; remove them';
  if (sample.search !== '' || sample.hash !== '') return 'must not end in a query or a fragment; remove it';
  return null;
}
