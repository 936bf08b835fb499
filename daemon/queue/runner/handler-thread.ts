/** The thread of a runner in which the handler's module is loaded and called. */
import { parentPort } from 'node:worker_threads';
import { messageOf } from '../../../shared/errors.ts';
import { databaseClient } from './database-client.ts';
import type { FromRunner, HandlerError, HostMethod, LogLevel, RunRequest, ToRunner } from './messages.ts';

const MAX_RESULT_CHARACTERS = 256 * 1024;
const MAX_TEXT = 4_000;

const port = parentPort;
if (port === null) throw new Error('this is a thread of a runner');

/** Thrown by handlers where trying again would be useless; told by its name, so any class of that name will do. */
class UnrecoverableError extends Error {
  override readonly name = 'UnrecoverableError';
}

let running: AbortController | null = null;
let lastCall = 0;
const calls = new Map<number, PromiseWithResolvers<unknown>>();

function tell(message: FromRunner): void {
  // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a port of node:worker_threads has none
  port?.postMessage(message);
}

function ask(method: HostMethod): Promise<unknown> {
  lastCall += 1;
  const answer = Promise.withResolvers<unknown>();
  calls.set(lastCall, answer);
  tell({ kind: 'host', call: lastCall, method });
  return answer.promise;
}

function describe(error: unknown): HandlerError {
  const fields = (typeof error === 'object' && error !== null ? error : {}) as Record<string, unknown>;
  const name = error instanceof Error ? error.name : 'Error';
  return {
    name,
    message: messageOf(error).slice(0, MAX_TEXT),
    stack: error instanceof Error ? (error.stack ?? '').slice(0, MAX_TEXT) : null,
    code: typeof fields['code'] === 'string' ? fields['code'] : null,
    unrecoverable: name === 'UnrecoverableError',
    retryAfterMs: typeof fields['retryAfterMs'] === 'number' ? fields['retryAfterMs'] : null,
  };
}

async function run(request: RunRequest, signal: AbortSignal): Promise<string> {
  const loaded = (await import(request.module)) as { default?: unknown };
  const handler = loaded.default;
  if (typeof handler !== 'function') {
    throw new UnrecoverableError(`the handler of '${request.task.type}' has no default export to call`);
  }
  const log = (level: LogLevel) => (text: unknown) =>
    tell({ kind: 'log', level, text: String(text).slice(0, MAX_TEXT) });
  const { database, user, task } = request;
  const result: unknown = await handler(request.payload, {
    database: database && (await databaseClient(database, () => ask('token') as Promise<string>)),
    user,
    task,
    signal,
    progress: (percent: number, message?: string) => {
      const bounded = Math.min(100, Math.max(0, Number(percent) || 0));
      tell({ kind: 'progress', percent: bounded, message: message?.slice(0, 1_000) ?? null });
    },
    log: Object.assign(log('info'), {
      debug: log('debug'),
      info: log('info'),
      warn: log('warn'),
      error: log('error'),
    }),
    UnrecoverableError,
    dataDir: database?.data_dir ?? null,
    provision: () => ask('provision'),
  });
  const text = JSON.stringify(result) ?? 'null';
  if (text.length > MAX_RESULT_CHARACTERS) {
    throw new UnrecoverableError(
      `the result is ${text.length} characters of JSON, ${MAX_RESULT_CHARACTERS} are allowed; keep it in the database`,
    );
  }
  return text;
}

port.on('message', (message: Exclude<ToRunner, { kind: 'lease' }>) => {
  switch (message.kind) {
    case 'run': {
      running = new AbortController();
      run(message, running.signal).then(
        (result) => tell({ kind: 'done', result }),
        (error: unknown) => tell({ kind: 'failed', error: describe(error) }),
      );
      return;
    }
    case 'abort':
      running?.abort(new DOMException(message.reason, 'AbortError'));
      return;
    case 'answer':
      calls.get(message.call)?.resolve(message.value);
      calls.delete(message.call);
      return;
    case 'refused':
      calls.get(message.call)?.reject(new Error(message.message));
      calls.delete(message.call);
  }
});
tell({ kind: 'ready' });
