import type { LogRow, RequestLogEntry } from './request-log.ts';

/** Parameters of an address whose values say nothing of anybody. */
const HARMLESS: ReadonlySet<string> = new Set([
  'page',
  'perPage',
  'sort',
  'skipTotal',
  'expand',
  'fields',
  'thumb',
  'download',
]);
const HIDDEN = '…';

/** One line for people: what was asked, how it ended and why, without secrets. */
export function describeEntry(row: LogRow): RequestLogEntry {
  const parts = row.isRequest ? requestParts(row) : messageParts(row);
  const said = parts.filter((part) => part !== '').join(' · ');
  return { at: row.at, level: row.level, text: oneLine(`${row.level.toUpperCase()} ${said}`) };
}

function requestParts({ method, url, status, error, details, address }: LogRow): string[] {
  return [
    `${method} ${withoutSecrets(url)} ${status ?? ''}`.trimEnd(),
    hideSecrets(error),
    reasons(details),
    address === '' ? '' : `from ${address}`,
  ];
}

/** What PocketBase or a hook says by itself: a mail that was not sent, a job that failed. */
function messageParts({ message, error, details, data }: LogRow): string[] {
  const more = error === '' && details === '' ? reasons(data) : reasons(details);
  return [hideSecrets(message), hideSecrets(error), more];
}

/** `/api/files/x?token=…&thumb=100x100`: values that may be secret, or of a person, are left out. */
export function withoutSecrets(url: string): string {
  const [path = '', query] = url.split(/\?(.*)/s, 2);
  if (query === undefined || query === '') return hideSecrets(path);
  const shown = [...new URLSearchParams(query)].map(([name, value]) => {
    if (HARMLESS.has(name)) return `${name}=${value}`;
    // What a filter compares with is data; what it compares is why it is wrong.
    return `${name}=${name === 'filter' ? value.replaceAll(/'[^']*'|"[^"]*"/g, `'${HIDDEN}'`) : HIDDEN}`;
  });
  return hideSecrets(`${path}?${shown.join('&')}`);
}

/** The sentences of nested reasons: `{"email": {"code": …, "message": "Must be unique."}}` is `email: Must be unique.` */
function reasons(json: string): string {
  let value: unknown;
  try {
    value = JSON.parse(json);
  } catch {
    return hideSecrets(json);
  }
  return sentences(value, '').join(', ');
}

const SECRET_NAME = /password|secret|token|authorization|cookie|api_?key|otp/i;

function sentences(value: unknown, name: string): string[] {
  if (value === null || value === undefined || value === '') return [];
  if (typeof value !== 'object')
    return [named(name, SECRET_NAME.test(name) ? HIDDEN : hideSecrets(plain(value)))];
  if ('message' in value && typeof value.message === 'string')
    return [named(name, hideSecrets(value.message))];
  return Object.entries(value).flatMap(([key, inner]) => sentences(inner, key));
}

function plain(value: unknown): string {
  return typeof value === 'string' ? value : JSON.stringify(value);
}

function named(name: string, text: string): string {
  return name === '' ? text : `${name}: ${text}`;
}

const SECRETS: readonly [RegExp, string][] = [
  // JSON Web Tokens.
  [/\beyJ[\w-]*\.[\w-]+\.[\w-]*/g, HIDDEN],
  [/\b(bearer|basic)\s+[\w.~+/=-]+/gi, `$1 ${HIDDEN}`],
  [/\bfk_\w+/g, HIDDEN],
  // The password in an address.
  [/(\w+:\/\/[^\s:/@]*:)[^\s@/]+@/g, `$1${HIDDEN}@`],
  [
    /\b((?:\w*(?:password|secret|token|api_?key)|authorization|code_verifier|ticket)["']?\s*[=:]\s*)(?:"[^"]*"|'[^']*'|[^\s&,;}"']+)/gi,
    `$1${HIDDEN}`,
  ],
];

/** Whatever looks like a secret in a text that somebody else wrote. */
export function hideSecrets(text: string): string {
  return SECRETS.reduce((rest, [pattern, hidden]) => rest.replaceAll(pattern, hidden), text);
}

function oneLine(text: string): string {
  return text.replaceAll(/\s+/g, ' ').trim();
}
