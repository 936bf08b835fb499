import { type MasterKey, unseal } from '../security/envelope.ts';
import type { Seal } from '../security/master-keys.ts';

/** Shorter values are as likely to be ordinary words, and would make a text unreadable without hiding anything. */
const MIN_REDACTED = 4;

function belongsTo(taskId: string): string {
  return `global_queue/${taskId}/secrets`;
}

export interface SplitPayload {
  /** JSON text that may be shown. */
  payload: string;
  /** Envelope of the rest, null when there is none. */
  sealed: string | null;
}

/**
 * What is secret of a payload is sealed before it leaves the daemon: its member `secrets`, or the whole of it when it is
 * marked so.
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

/** The payload as it was given, and a function that hides its secrets in any text. @throws FathomError `secret.undecryptable` */
export function openPayload(
  task: { id: string; payload: unknown; sealed: string | null },
  masters: readonly MasterKey[],
): { payload: unknown; redact: (text: string) => string } {
  if (task.sealed === null) return { payload: task.payload, redact: (text) => text };
  const opened = JSON.parse(unseal(masters, task.sealed, belongsTo(task.id)).toString()) as Record<
    string,
    unknown
  >;
  const payload = 'whole' in opened ? opened['whole'] : { ...(task.payload as object), ...opened };
  const values = [...new Set(texts(Object.values(opened)))]
    .filter(({ length }) => length >= MIN_REDACTED)
    .toSorted((a, b) => b.length - a.length);
  return {
    payload,
    redact: (text) => values.reduce((rest, value) => hide(rest, value), text),
  };
}

/** Also as it looks inside JSON, where quotes and line ends are written otherwise. */
function hide(text: string, value: string): string {
  return text.replaceAll(value, '[secret]').replaceAll(JSON.stringify(value).slice(1, -1), '[secret]');
}

function texts(value: unknown): string[] {
  if (typeof value === 'string') return [value];
  if (typeof value === 'number') return [String(value)];
  return typeof value === 'object' && value !== null ? Object.values(value).flatMap(texts) : [];
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
