import { inspect } from 'node:util';
import { isNativeError } from 'node:util/types';
import { type HandlerError, parseRetryAfter } from './messages.ts';

const MAX_TEXT = 4_000;
const MAX_NAME = 200;
const MAX_CAUSES = 5;
const MAX_CAUSE = 1_000;

/** Describes any value that a handler threw: message, code, stack and the chain of causes. */
export function describeThrown(thrown: unknown): HandlerError {
  const name = nameOf(thrown);
  const stack = readText(thrown, 'stack');
  const code = readMember(thrown, 'code');
  return {
    name,
    message: messageOfThrown(thrown).slice(0, MAX_TEXT),
    stack: isError(thrown) && stack !== null ? stack.slice(0, MAX_TEXT) : null,
    code: typeof code === 'string' || typeof code === 'number' ? String(code).slice(0, MAX_NAME) : null,
    causes: causesOf(thrown),
    unrecoverable: name === 'UnrecoverableError',
    retryAfterMs: parseRetryAfter(readMember(thrown, 'retryAfterMs')),
  };
}

/** Lists the causes, the outermost first. The errors of an AggregateError count as causes. */
function causesOf(thrown: unknown): string[] {
  const known = new Set([thrown]);
  const causes: string[] = [];
  const follow = (error: unknown): void => {
    const errors: unknown = readMember(error, 'errors');
    for (const cause of [
      readMember(error, 'cause'),
      ...(Array.isArray(errors) ? (errors as unknown[]) : []),
    ]) {
      if (cause === undefined || cause === null || known.has(cause) || causes.length >= MAX_CAUSES) continue;
      known.add(cause);
      const code = readMember(cause, 'code');
      const suffix = typeof code === 'string' ? ` (${code})` : '';
      causes.push(`${nameOf(cause)}: ${messageOfThrown(cause)}${suffix}`.slice(0, MAX_CAUSE));
      follow(cause);
    }
  };
  follow(thrown);
  return causes;
}

function nameOf(thrown: unknown): string {
  return (readText(thrown, 'name') ?? 'Error').slice(0, MAX_NAME);
}

function messageOfThrown(thrown: unknown): string {
  return readText(thrown, 'message') ?? formatValue(thrown);
}

/** Formats any value as text, in one line if possible. */
export function formatValue(value: unknown): string {
  return typeof value === 'string'
    ? value
    : inspect(value, { depth: 3, breakLength: Number.POSITIVE_INFINITY });
}

function readText(thrown: unknown, key: string): string | null {
  const text = readMember(thrown, key);
  return typeof text === 'string' ? text : null;
}

/** Reads a member; a getter that throws counts as undefined. */
function readMember(thrown: unknown, key: string): unknown {
  if (typeof thrown !== 'object' || thrown === null) return undefined;
  try {
    return (thrown as Record<string, unknown>)[key];
  } catch {
    return undefined;
  }
}

/** Whether the value is an error, also one of another V8 context. */
function isError(thrown: unknown): boolean {
  return thrown instanceof Error || isNativeError(thrown);
}
