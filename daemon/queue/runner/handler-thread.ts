/** The thread of a runner that loads and calls handlers. */
import { Socket } from 'node:net';
import { parentPort } from 'node:worker_threads';
import { messageOf } from '../../../shared/errors.ts';
import { isDeeperThan, MAX_JSON_DEPTH } from '../../../shared/json-depth.ts';
import { databaseClient } from './database-client.ts';

import {
  eachLine,
  type FromRunner,
  type HostMethod,
  type LogLevel,
  type RunRequest,
  TASK_PIPE,
  type ToRunner,
} from './messages.ts';
import { describeThrown, formatValue } from './thrown.ts';

const MAX_RESULT_CHARACTERS = 256 * 1024;
const MAX_TEXT = 4_000;

const pipe = new Socket({ fd: TASK_PIPE, readable: true, writable: true });

/** Thrown by handlers when a retry would be useless. It is recognized by its name, so any class of this name works. */
class UnrecoverableError extends Error {
  override readonly name = 'UnrecoverableError';
}

let running: AbortController | null = null;
let lastCallId = 0;
const calls = new Map<number, PromiseWithResolvers<unknown>>();

function send(message: FromRunner): void {
  pipe.write(`${JSON.stringify(message)}\n`);
}

/** Sends a message to the main thread, which guards the lease while a task runs. */
function notifyMainThread(message: { kind: 'idle' } | { kind: 'lease'; leaseMs: number }): void {
  // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a port of node:worker_threads has none
  parentPort?.postMessage(message);
}

function callHost(method: HostMethod): Promise<unknown> {
  lastCallId += 1;
  const response = Promise.withResolvers<unknown>();
  calls.set(lastCallId, response);
  send({ kind: 'host', call: lastCallId, method });
  return response.promise;
}

interface HandlerModule {
  default?: unknown;
  handle?: unknown;
}

let lastModule: { url: string; module: HandlerModule } | null = null;

/** Caches the last module, because tasks of one type often follow each other and even a cached `import` takes time. */
async function loadModule(url: string): Promise<HandlerModule> {
  if (lastModule?.url !== url) lastModule = { url, module: (await import(url)) as HandlerModule };
  return lastModule.module;
}

async function run(
  request: RunRequest,
  signal: AbortSignal,
  keepAnswer: (text: string) => void,
): Promise<string> {
  const loaded = await loadModule(request.module);
  // Built-in handlers have a named export.
  const handler = loaded.default ?? loaded.handle;
  if (typeof handler !== 'function') {
    throw new UnrecoverableError(`the handler of '${request.task.type}' has no default export to call`);
  }
  /** Ignores messages of code that a handler left running after its end. */
  const sendWhileRunning = (message: FromRunner) => {
    if (running?.signal === signal) send(message);
  };
  const log = (level: LogLevel) => (text: unknown) =>
    sendWhileRunning({ kind: 'log', level, text: formatValue(text).slice(0, MAX_TEXT) });
  const { database, user, task } = request;
  const result: unknown = await handler(request.payload, {
    database: database && (await databaseClient(database, () => callHost('token') as Promise<string>)),
    user,
    task,
    signal,
    progress: (percent: unknown, message?: unknown) => {
      const bounded = Math.min(100, Math.max(0, Number(percent) || 0));
      sendWhileRunning({
        kind: 'progress',
        percent: bounded,
        message: message === undefined ? null : formatValue(message).slice(0, 1_000),
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
    provision: () => callHost('provision'),
    keepAnswer,
    allowedTargets: request.allowedTargets,
    webhook: request.webhook,
  });
  const text = toJson(result);
  if (text.length > MAX_RESULT_CHARACTERS) {
    throw new UnrecoverableError(
      `the result is ${text.length} characters of JSON, ${MAX_RESULT_CHARACTERS} are allowed; keep it in the database`,
    );
  }
  return text;
}

/** Converts the result to JSON. An error is unrecoverable, because another attempt would return the same result. */
function toJson(result: unknown): string {
  try {
    const text = JSON.stringify(result) ?? 'null';
    // A shorter text cannot be nested too deep.
    if (text.length > 2 * MAX_JSON_DEPTH && isDeeperThan(JSON.parse(text), MAX_JSON_DEPTH)) {
      throw new Error(`it is nested more than ${MAX_JSON_DEPTH} deep`);
    }
    return text;
  } catch (error) {
    throw new UnrecoverableError(`the result cannot be kept as JSON: ${messageOf(error)}`, { cause: error });
  }
}

async function runTask(request: RunRequest): Promise<void> {
  running = new AbortController();
  notifyMainThread({ kind: 'lease', leaseMs: request.leaseMs });
  let end: FromRunner;
  const kept: { answer?: string } = {};
  const keepAnswer = (answer: string) => void Object.assign(kept, { answer });
  try {
    end = { kind: 'done', result: await run(request, running.signal, keepAnswer), ...kept };
  } catch (error) {
    end = { kind: 'failed', error: describeThrown(error), ...kept };
  }
  running = null;
  send(end);
  notifyMainThread({ kind: 'idle' });
}

function receive(message: ToRunner): void {
  switch (message.kind) {
    case 'run':
      void runTask(message);
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
send({ kind: 'ready' });
