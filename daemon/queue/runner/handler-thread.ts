/** The thread of a runner in which the handler's module is loaded and called. */
import { Socket } from 'node:net';
import { parentPort } from 'node:worker_threads';
import { messageOf } from '../../../shared/errors.ts';
import { isDeeperThan, MAX_JSON_DEPTH } from '../../../shared/json-depth.ts';
import { databaseClient } from './database-client.ts';
import { eachLine } from './lines.ts';
import {
  type FromRunner,
  type HostMethod,
  type LogLevel,
  type RunRequest,
  TASK_PIPE,
  type ToRunner,
} from './messages.ts';
import { describeThrown, textOfAny } from './thrown.ts';

const MAX_RESULT_CHARACTERS = 256 * 1024;
const MAX_TEXT = 4_000;

const pipe = new Socket({ fd: TASK_PIPE, readable: true, writable: true });

/** Thrown by handlers where trying again would be useless; told by its name, so any class of that name will do. */
class UnrecoverableError extends Error {
  override readonly name = 'UnrecoverableError';
}

let running: AbortController | null = null;
let lastCall = 0;
const calls = new Map<number, PromiseWithResolvers<unknown>>();

function tell(message: FromRunner): void {
  pipe.write(`${JSON.stringify(message)}\n`);
}

/** To the main thread, which guards the lease while a task runs. */
function report(news: { kind: 'idle' } | { kind: 'lease'; leaseMs: number }): void {
  // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a port of node:worker_threads has none
  parentPort?.postMessage(news);
}

function ask(method: HostMethod): Promise<unknown> {
  lastCall += 1;
  const answer = Promise.withResolvers<unknown>();
  calls.set(lastCall, answer);
  tell({ kind: 'host', call: lastCall, method });
  return answer.promise;
}

interface HandlerModule {
  default?: unknown;
  handle?: unknown;
}

let last: { url: string; module: HandlerModule } | null = null;

/** Tasks of one kind often follow each other, and even to find a loaded module takes a while. */
async function load(url: string): Promise<HandlerModule> {
  if (last?.url !== url) last = { url, module: (await import(url)) as HandlerModule };
  return last.module;
}

async function run(
  request: RunRequest,
  signal: AbortSignal,
  keepAnswer: (text: string) => void,
): Promise<string> {
  const loaded = await load(request.module);
  // Fathom's own have names.
  const handler = loaded.default ?? loaded.handle;
  if (typeof handler !== 'function') {
    throw new UnrecoverableError(`the handler of '${request.task.type}' has no default export to call`);
  }
  /** What a handler leaves behind must not speak for the task after it. */
  const tellWhileRunning = (message: FromRunner) => {
    if (running?.signal === signal) tell(message);
  };
  const log = (level: LogLevel) => (text: unknown) =>
    tellWhileRunning({ kind: 'log', level, text: textOfAny(text).slice(0, MAX_TEXT) });
  const { database, user, task } = request;
  const result: unknown = await handler(request.payload, {
    database: database && (await databaseClient(database, () => ask('token') as Promise<string>)),
    user,
    task,
    signal,
    progress: (percent: unknown, message?: unknown) => {
      const bounded = Math.min(100, Math.max(0, Number(percent) || 0));
      tellWhileRunning({
        kind: 'progress',
        percent: bounded,
        message: message === undefined ? null : textOfAny(message).slice(0, 1_000),
      });
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
    keepAnswer,
    allowedTargets: request.allowedTargets,
  });
  const text = jsonOf(result);
  if (text.length > MAX_RESULT_CHARACTERS) {
    throw new UnrecoverableError(
      `the result is ${text.length} characters of JSON, ${MAX_RESULT_CHARACTERS} are allowed; keep it in the database`,
    );
  }
  return text;
}

/** The handler has done its work, and would return the same again: another attempt would be useless. */
function jsonOf(result: unknown): string {
  try {
    const text = JSON.stringify(result) ?? 'null';
    // Shorter ones cannot be.
    if (text.length > 2 * MAX_JSON_DEPTH && isDeeperThan(JSON.parse(text), MAX_JSON_DEPTH)) {
      throw new Error(`it is nested more than ${MAX_JSON_DEPTH} deep`);
    }
    return text;
  } catch (error) {
    throw new UnrecoverableError(`the result cannot be kept as JSON: ${messageOf(error)}`, { cause: error });
  }
}

async function attempt(request: RunRequest): Promise<void> {
  running = new AbortController();
  report({ kind: 'lease', leaseMs: request.leaseMs });
  let end: FromRunner;
  const kept: { answer?: string } = {};
  const keepAnswer = (answer: string) => void Object.assign(kept, { answer });
  try {
    end = { kind: 'done', result: await run(request, running.signal, keepAnswer), ...kept };
  } catch (error) {
    end = { kind: 'failed', error: describeThrown(error), ...kept };
  }
  running = null;
  tell(end);
  report({ kind: 'idle' });
}

function receive(message: ToRunner): void {
  switch (message.kind) {
    case 'run':
      void attempt(message);
      return;
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
}

pipe.setEncoding('utf8');
pipe.on(
  'data',
  eachLine((line) => receive(JSON.parse(line) as ToRunner)),
);
// The main thread ends the process when the worker is gone.
pipe.on('error', () => {});
tell({ kind: 'ready' });
