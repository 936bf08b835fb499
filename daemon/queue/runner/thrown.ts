import { inspect } from 'node:util';
import { isNativeError } from 'node:util/types';
import { type HandlerError, retryAfterOf } from './messages.ts';

const MAX_TEXT = 4_000;
const MAX_NAME = 200;
const MAX_CAUSES = 5;
const MAX_CAUSE = 1_000;

/** What a handler threw, which may be anything, as it is kept: message, code, stack and the chain of its causes. */
export function describeThrown(thrown: unknown): HandlerError {
  const name = nameOf(thrown);
  const stack = textAt(thrown, 'stack');
  const code = at(thrown, 'code');
  return {
    name,
    message: messageOfAny(thrown).slice(0, MAX_TEXT),
    stack: isError(thrown) && stack !== null ? stack.slice(0, MAX_TEXT) : null,
    code: typeof code === 'string' || typeof code === 'number' ? String(code).slice(0, MAX_NAME) : null,
    causes: causesOf(thrown),
    unrecoverable: name === 'UnrecoverableError',
    retryAfterMs: retryAfterOf(at(thrown, 'retryAfterMs')),
  };
}

/** The outermost first; of several errors in one, each. */
function causesOf(thrown: unknown): string[] {
  const known = new Set([thrown]);
  const causes: string[] = [];
  const follow = (error: unknown): void => {
    const errors: unknown = at(error, 'errors');
    for (const cause of [at(error, 'cause'), ...(Array.isArray(errors) ? (errors as unknown[]) : [])]) {
      if (cause === undefined || cause === null || known.has(cause) || causes.length >= MAX_CAUSES) continue;
      known.add(cause);
      const code = at(cause, 'code');
      const suffix = typeof code === 'string' ? ` (${code})` : '';
      causes.push(`${nameOf(cause)}: ${messageOfAny(cause)}${suffix}`.slice(0, MAX_CAUSE));
      follow(cause);
    }
  };
  follow(thrown);
  return causes;
}

function nameOf(thrown: unknown): string {
  return (textAt(thrown, 'name') ?? 'Error').slice(0, MAX_NAME);
}

function messageOfAny(thrown: unknown): string {
  return textAt(thrown, 'message') ?? textOfAny(thrown);
}

/** Any value as a text, in one line where that is possible. */
export function textOfAny(value: unknown): string {
  return typeof value === 'string'
    ? value
    : inspect(value, { depth: 3, breakLength: Number.POSITIVE_INFINITY });
}

function textAt(thrown: unknown, key: string): string | null {
  const text = at(thrown, key);
  return typeof text === 'string' ? text : null;
}

/** A getter may throw, and what threw it is described here already. */
function at(thrown: unknown, key: string): unknown {
  if (typeof thrown !== 'object' || thrown === null) return undefined;
  try {
    return (thrown as Record<string, unknown>)[key];
  } catch {
    return undefined;
  }
}

/** Also one of another context of V8. */
function isError(thrown: unknown): boolean {
  return thrown instanceof Error || isNativeError(thrown);
}
