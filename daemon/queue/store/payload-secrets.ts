import { type MasterKey, unseal } from '../../keys/envelope.ts';
import type { Seal } from '../../keys/master-keys.ts';

/** Shorter values are often ordinary words; replacing them would make a text unreadable without hiding a secret. */
const MIN_REDACTED = 4;

function belongsTo(taskId: string): string {
  return `global_queue/${taskId}/secrets`;
}

export interface SplitPayload {
  /** JSON text that may be shown. */
  payload: string;
  /** Envelope of the secret part, null when there is none. */
  sealed: string | null;
}

/**
 * Seals the secret part of a payload before it leaves the daemon: its member `secrets`, or all of it with `whole`.
 */
export function sealPayload(
  payload: unknown,
  options: { taskId: string; whole: boolean; seal: Seal },
): SplitPayload {
  const { taskId, whole, seal } = options;
  const sealJson = (value: unknown) => seal(Buffer.from(JSON.stringify(value)), belongsTo(taskId));
  if (whole) return { payload: 'null', sealed: sealJson({ whole: payload }) };
  if (!isObject(payload) || payload['secrets'] === undefined) {
    return { payload: JSON.stringify(payload ?? null), sealed: null };
  }
  const { secrets, ...shown } = payload;
  return { payload: JSON.stringify(shown), sealed: sealJson({ secrets }) };
}

/** Returns the complete payload, and functions that hide its secrets. @throws FathomError `secret.undecryptable` */
export function openPayload(
  task: { id: string; payload: unknown; sealed: string | null },
  masters: readonly MasterKey[],
): { payload: unknown } & Redaction {
  if (task.sealed === null) return { payload: task.payload, redact: unchanged, redactJson: unchanged };
  const opened = JSON.parse(unseal(masters, task.sealed, belongsTo(task.id)).toString()) as Record<
    string,
    unknown
  >;
  const payload = 'whole' in opened ? opened['whole'] : { ...(task.payload as object), ...opened };
  return { payload, ...createRedaction(textsIn(Object.values(opened))) };
}

export interface Redaction {
  /** Hides the secrets in any text. */
  redact: (text: string) => string;
  /** Hides them in JSON text: in strings and names, and numbers that equal one. A number that contains one stays. */
  redactJson: (json: string) => string;
}

/** Creates functions that hide secrets in one pass, so that a replacement is not searched again. */
export function createRedaction(secrets: readonly string[]): Redaction {
  const values = [...new Set(secrets)].filter(({ length }) => length >= MIN_REDACTED);
  if (values.length === 0) return { redact: unchanged, redactJson: unchanged };
  const forms = [...new Set(values.flatMap(formsOf))].toSorted((a, b) => b.length - a.length);
  const pattern = new RegExp(
    forms.map((form) => form.replaceAll(/[\\^$.*+?()[\]{}|]/g, '\\$&')).join('|'),
    'g',
  );
  const redact = (text: string) => text.replace(pattern, HIDDEN);
  const redactValue = (value: unknown): unknown => {
    if (typeof value === 'string') return redact(value);
    if (typeof value === 'number') return values.includes(String(value)) ? HIDDEN : value;
    if (Array.isArray(value)) return value.map(redactValue);
    if (typeof value !== 'object' || value === null) return value;
    return Object.fromEntries(
      Object.entries(value).map(([name, inner]) => [redact(name), redactValue(inner)]),
    );
  };
  return { redact, redactJson: (json) => JSON.stringify(redactValue(JSON.parse(json))) };
}

const HIDDEN = '[secret]';
const unchanged = (text: string) => text;

/** Returns the forms of a value in plain text, in JSON and in URLs, where some characters are escaped. */
function formsOf(value: string): string[] {
  return [value, JSON.stringify(value).slice(1, -1), encodeURIComponent(value.toWellFormed())];
}

function textsIn(value: unknown): string[] {
  if (typeof value === 'string') return [value];
  if (typeof value === 'number') return [String(value)];
  return typeof value === 'object' && value !== null ? Object.values(value).flatMap(textsIn) : [];
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
