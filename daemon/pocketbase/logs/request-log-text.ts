import type { LogLevelName } from '../../../shared/events.ts';

/** An entry of PocketBase's own log, without secrets. */
export interface RequestLogEntry {
  at: string;
  level: LogLevelName;
  text: string;
}

/** A row of PocketBase's table `_logs`. */
export interface LogRow {
  id: number;
  at: string;
  level: LogLevelName;
  message: string;
  isRequest: boolean;
  method: string;
  url: string;
  status: number | null;
  error: string;
  details: string;
  address: string;
  /** All logged values as JSON text. */
  data: string;
}

/** Query parameters whose values contain no secrets and no personal data. */
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

/** Describes a row in one line: the request or message, its status and error, without secrets. */
export function describeEntry(row: LogRow): RequestLogEntry {
  const parts = row.isRequest ? requestParts(row) : messageParts(row);
  const description = parts.filter((part) => part !== '').join(' · ');
  return { at: row.at, level: row.level, text: toOneLine(`${row.level.toUpperCase()} ${description}`) };
}

function requestParts({ method, url, status, error, details, address }: LogRow): string[] {
  return [
    `${method} ${redactUrl(url)} ${status ?? ''}`.trimEnd(),
    hideSecrets(error),
    describeJson(details),
    address === '' ? '' : `from ${address}`,
  ];
}

/** A message of PocketBase or of a hook, such as a mail that was not sent. */
function messageParts({ message, error, details, data }: LogRow): string[] {
  const more = error === '' && details === '' ? describeJson(data) : describeJson(details);
  return [hideSecrets(message), hideSecrets(error), more];
}

/** Hides query values that may be secret or personal: `/api/files/x?token=…&thumb=100x100`. */
export function redactUrl(url: string): string {
  const [path = '', query] = url.split(/\?(.*)/s, 2);
  if (query === undefined || query === '') return hideSecrets(path);
  const parameters = [...new URLSearchParams(query)].map(([name, value]) => {
    if (HARMLESS.has(name)) return `${name}=${value}`;
    // The field names of a filter stay visible, because they explain an error. Its values are data.
    return `${name}=${name === 'filter' ? value.replaceAll(/'[^']*'|"[^"]*"/g, `'${HIDDEN}'`) : HIDDEN}`;
  });
  return hideSecrets(`${path}?${parameters.join('&')}`);
}

/** The messages in nested JSON: `{"email": {"code": …, "message": "Must be unique."}}` gives `email: Must be unique.` */
function describeJson(json: string): string {
  let value: unknown;
  try {
    value = JSON.parse(json);
  } catch {
    return hideSecrets(json);
  }
  return messagesIn(value, '').join(', ');
}

const SECRET_NAME = /password|secret|token|authorization|cookie|api_?key|otp/i;

function messagesIn(value: unknown, name: string): string[] {
  const withName = (text: string): string => (name === '' ? text : `${name}: ${text}`);
  if (value === null || value === undefined || value === '') return [];
  if (typeof value !== 'object') {
    const text = typeof value === 'string' ? value : JSON.stringify(value);
    return [withName(SECRET_NAME.test(name) ? HIDDEN : hideSecrets(text))];
  }
  if ('message' in value && typeof value.message === 'string') return [withName(hideSecrets(value.message))];
  return Object.entries(value).flatMap(([key, field]) => messagesIn(field, key));
}

const SECRETS: readonly [RegExp, string][] = [
  // JSON Web Tokens.
  [/\beyJ[\w-]*\.[\w-]+\.[\w-]*/g, HIDDEN],
  [/\b(bearer|basic)\s+[\w.~+/=-]+/gi, `$1 ${HIDDEN}`],
  [/\bfk_\w+/g, HIDDEN],
  // The password in a URL.
  [/(\w+:\/\/[^\s:/@]*:)[^\s@/]+@/g, `$1${HIDDEN}@`],
  [
    /\b((?:\w*(?:password|secret|token|api_?key)|authorization|code_verifier|ticket)["']?\s*[=:]\s*)(?:"[^"]*"|'[^']*'|[^\s&,;}"']+)/gi,
    `$1${HIDDEN}`,
  ],
];

/** Hides everything in a text that looks like a secret. */
export function hideSecrets(text: string): string {
  return SECRETS.reduce((rest, [pattern, replacement]) => rest.replaceAll(pattern, replacement), text);
}

function toOneLine(text: string): string {
  return text.replaceAll(/\s+/g, ' ').trim();
}
