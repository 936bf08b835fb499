/**
 * The process in which handlers run, one task at a time. The handler itself runs in a thread, so that whatever it does
 * there — block, exit, fill its memory — this main thread goes on and can end it all: when the worker is gone, or when the
 * lease is over and nobody renewed it. Tasks go between the worker and the thread over a pipe of their own; what passes
 * here is only what this thread has to know.
 */
import { Worker } from 'node:worker_threads';
import { modulePath } from '../../base/package.ts';
import { type FromRunner, handlerError, type LeaseNews } from './messages.ts';

const THREAD = modulePath('daemon/queue/runner/handler-thread');
const memoryMb = Number(process.argv[2]);
/** Lines of a task that are passed on from what it prints. */
const MAX_PRINTED_LINES = 1_000;

let busy = false;
let ending = false;
let printed = 0;
let leaseTimer: NodeJS.Timeout | undefined;

// Node's own warnings go there, and a full disk or a closed pipe must not end what runs.
process.stderr.on('error', () => {});

function die(): never {
  process.kill(process.pid, 'SIGKILL');
  throw new Error('unreachable');
}

function tell(message: FromRunner, then?: () => void): void {
  if (process.connected) process.send?.(message, undefined, undefined, () => then?.());
}

function holdLease(leaseMs: number): void {
  clearTimeout(leaseTimer);
  leaseTimer = setTimeout(die, leaseMs);
}

const thread = new Worker(THREAD, {
  stdout: true,
  stderr: true,
  resourceLimits: { maxOldGenerationSizeMb: memoryMb },
});

/** The thread is gone, and this process with it once the worker was told. */
function end(message: string, code: string): void {
  // An error is followed by the thread's exit.
  if (ending) return;
  ending = true;
  clearTimeout(leaseTimer);
  tell({ kind: 'failed', error: handlerError(message, { code }) }, () => process.exit(0));
}

thread.on('message', (news: LeaseNews | { kind: 'idle' }) => {
  busy = news.kind === 'lease';
  printed = 0;
  if (news.kind === 'lease') holdLease(news.leaseMs);
  else clearTimeout(leaseTimer);
});
thread.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'ERR_WORKER_OUT_OF_MEMORY') {
    end(`the handler used more than ${memoryMb} MB of memory`, 'memory_limit');
  } else {
    end(`the handler left an error uncaught: ${error.message}`, 'uncaught');
  }
});
thread.on('exit', (code) => end(`the handler called process.exit(${code})`, 'exit'));
for (const [stream, level] of [
  [thread.stdout, 'info'],
  [thread.stderr, 'warn'],
] as const) {
  stream.setEncoding('utf8');
  stream.on('data', (text: string) => {
    for (const line of text.split('\n')) {
      if (line === '' || !busy || printed >= MAX_PRINTED_LINES) continue;
      printed += 1;
      tell({ kind: 'log', level, text: line.slice(0, 2_000) });
    }
  });
}

process.on('message', ({ leaseMs }: LeaseNews) => {
  if (busy) holdLease(leaseMs);
});
// The worker is gone, however that came about: nothing may happen in its name any more.
process.on('disconnect', die);
// The whole group gets these from a terminal or a service manager; the worker decides what follows.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => {});
