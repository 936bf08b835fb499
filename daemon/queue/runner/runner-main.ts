/**
 * The process in which handlers run, one task at a time. The handler runs in a thread. The main thread keeps running when a
 * handler blocks, exits or fills its memory, and ends the process when the worker is gone or the lease expires. Tasks go
 * between the worker and the thread over a separate pipe.
 */
import { Worker } from 'node:worker_threads';
import { modulePath } from '../../base/package.ts';
import { type FromRunner, handlerError, type LeaseMessage } from './messages.ts';

const THREAD = modulePath('daemon/queue/runner/handler-thread');
const memoryMb = Number(process.argv[2]);
/** Printed lines of one task that are sent to the worker. */
const MAX_PRINTED_LINES = 1_000;

let isBusy = false;
let isEnding = false;
let printedLines = 0;
let leaseTimer: NodeJS.Timeout | undefined;

// Node writes its warnings to stderr. A full disk or a closed pipe must not end the process.
process.stderr.on('error', () => {});

function killProcess(): never {
  process.kill(process.pid, 'SIGKILL');
  throw new Error('unreachable');
}

function send(message: FromRunner, onSent?: () => void): void {
  if (process.connected) process.send?.(message, undefined, undefined, () => onSent?.());
}

function restartLeaseTimer(leaseMs: number): void {
  clearTimeout(leaseTimer);
  leaseTimer = setTimeout(killProcess, leaseMs);
}

const thread = new Worker(THREAD, {
  stdout: true,
  stderr: true,
  resourceLimits: { maxOldGenerationSizeMb: memoryMb },
});

/** Reports that the thread has ended, then exits. */
function reportEnd(message: string, code: string): void {
  // After an error, the event 'exit' follows.
  if (isEnding) return;
  isEnding = true;
  clearTimeout(leaseTimer);
  send({ kind: 'failed', error: handlerError(message, { code }) }, () => process.exit(0));
}

thread.on('message', (message: LeaseMessage | { kind: 'idle' }) => {
  isBusy = message.kind === 'lease';
  printedLines = 0;
  if (message.kind === 'lease') restartLeaseTimer(message.leaseMs);
  else clearTimeout(leaseTimer);
});
thread.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'ERR_WORKER_OUT_OF_MEMORY') {
    reportEnd(`the handler used more than ${memoryMb} MB of memory`, 'memory_limit');
  } else {
    reportEnd(`the handler left an error uncaught: ${error.message}`, 'uncaught');
  }
});
thread.on('exit', (code) => reportEnd(`the handler called process.exit(${code})`, 'exit'));
for (const [stream, level] of [
  [thread.stdout, 'info'],
  [thread.stderr, 'warn'],
] as const) {
  stream.setEncoding('utf8');
  stream.on('data', (text: string) => {
    for (const line of text.split('\n')) {
      if (line === '' || !isBusy || printedLines >= MAX_PRINTED_LINES) continue;
      printedLines += 1;
      send({ kind: 'log', level, text: line.slice(0, 2_000) });
    }
  });
}

process.on('message', ({ leaseMs }: LeaseMessage) => {
  if (isBusy) restartLeaseTimer(leaseMs);
});
// The worker is gone. A handler must not continue without it.
process.on('disconnect', killProcess);
// A terminal or service manager sends these to the whole process group; the worker decides when this process ends.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => {});
