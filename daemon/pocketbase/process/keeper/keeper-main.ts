/**
 * The keeper: a small process that starts the others and holds their listening sockets. fork(2) copies the page tables of
 * its caller: in the daemon each start would block the event loop for 5 to 10 ms, in this process for less than 2 ms.
 *
 * With a path and its identity as arguments, it listens on that local socket and outlives the daemon. The next daemon
 * connects to it, and replaces it by its own program without closing a socket. Without arguments, it ends with the process
 * that forked it.
 */
import { chmodSync, rmSync } from 'node:fs';
import { createServer, type Socket } from 'node:net';
import { Memory } from '../../sandbox/call-memory.ts';
import { type Libc, loadLibc } from '../../sandbox/libc.ts';
import { execArguments, systemError } from '../../sandbox/run-calls.ts';
import { SYSCALL } from '../../sandbox/syscall-filter.ts';
import { readJsonLines } from './json-lines.ts';
import { Keeper } from './keeper.ts';
import type { KeeperReport, KeeperRequest, ReplaceRequest } from './keeper-protocol.ts';
import { readState, writeState } from './keeper-state.ts';
import { LauncherStarter, type OnExit, PlainStarter } from './starters.ts';

/** How long sockets without a process stay open while no daemon is connected. */
const GRACE_MS = 10_000;

const [socketPath = null, identity = '', stateFd = null] = process.argv.slice(2);
const libc = await loadLibc();
let daemon: Socket | null = null;
let alone: NodeJS.Timeout | null = null;

const state = stateFd === null || 'problem' in libc ? null : readState(libc, Number(stateFd));
const onExit: OnExit = ({ pid, port }, exit) => {
  send({ id: 0, kind: 'exited', pid, exit });
  if (port !== null) keeper.ended(port, exit);
  if (socketPath !== null && daemon === null && alone === null) endWhenUnused();
};
const portEvents = {
  onRing: (port: number) => keeper.ring(port),
  onListen: (port: number) => keeper.listens(port),
};
const starter =
  'problem' in libc
    ? new PlainStarter(libc.problem, onExit)
    : new LauncherStarter(libc, state, onExit, portEvents);
const keeper = new Keeper(starter, send, {
  hasDaemon: () => daemon !== null || process.connected,
  state,
});

function send(report: KeeperReport): void {
  if (socketPath !== null) daemon?.write(`${JSON.stringify(report)}\n`);
  // The channel may close during the call, when the daemon is killed.
  else if (process.connected) process.send?.(report, undefined, undefined, () => {});
}

function receive(request: KeeperRequest): void {
  if (request.kind === 'replace') replace(request);
  else if (request.kind === 'goodbye') {
    keeper.forgetFailed();
    if (!keeper.isNeeded) end();
  } else keeper.handle(request);
}

/** Not process.exit(): it waits for threads, and one of them waits for calls of instances. */
function end(): never {
  if (socketPath !== null) rmSync(socketPath, { force: true });
  if ('problem' in libc) process.exit(0);
  libc.syscall(SYSCALL.exit_group, 0);
  throw new Error('this process has ended');
}

function endWhenUnused(): void {
  keeper.releaseUnused();
  if (!keeper.isNeeded) end();
}

/** Becomes another program, which continues with the same processes and sockets. */
function replace({ node, args, identity: next }: ReplaceRequest): void {
  if (socketPath === null) return;
  if ('problem' in libc || !(starter instanceof LauncherStarter)) return end();
  daemon?.destroy();
  execute(libc, node, [
    ...args,
    socketPath,
    next,
    String(writeState(libc, { ...starter.state(), ...keeper.state() })),
  ]);
}

function execute(library: Libc, file: string, args: string[]): void {
  const program = { file, argv: [file, ...args], env: process.env };
  const memory = new Memory(library);
  const result = library.syscall(SYSCALL.execve, ...execArguments(memory, program));
  throw systemError(`execve ${file}`, -result);
}

function listen(path: string): void {
  process.umask(0o077);
  rmSync(path, { force: true });
  const server = createServer((socket) => {
    // One daemon has the lock of the data directory. A new one replaces the one before.
    daemon?.destroy();
    daemon = socket;
    if (alone) clearTimeout(alone);
    alone = null;
    socket.on('error', () => {});
    socket.once('close', () => {
      if (daemon !== socket) return;
      daemon = null;
      startGrace();
      keeper.wake();
    });
    readJsonLines(socket, (request) => receive(request as KeeperRequest));
    send({ id: 0, kind: 'hello', pid: process.pid, identity, children: keeper.children() });
  });
  server.listen(path, () => chmodSync(path, 0o600));
  startGrace();
}

function startGrace(): void {
  alone = setTimeout(() => {
    alone = null;
    endWhenUnused();
  }, GRACE_MS);
}

process.title = 'fathom-keeper';

// A terminal or a service manager sends these to the whole group. Only the daemon handles them.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => {});

// Processes may have ended while the program was replaced.
if (starter instanceof LauncherStarter) starter.reap();
if (socketPath === null) {
  process.on('disconnect', end);
  process.on('message', (message) => receive(message as KeeperRequest));
} else listen(socketPath);
