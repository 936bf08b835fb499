import { EventEmitter } from 'node:events';
import { beforeEach, describe, expect, it } from 'vitest';
import type { RunningDaemon } from '../../../daemon.ts';
import { type ForegroundOptions, runInForeground } from './foreground.ts';

class TestDaemon implements RunningDaemon {
  readonly #end = Promise.withResolvers<void>();
  readonly stopCalled = Promise.withResolvers<void>();
  readonly stopped = this.#end.promise;
  stops = 0;
  fleet: string | undefined;
  broken: Error | null = null;

  reload(): Promise<string[]> {
    return Promise.resolve([]);
  }

  instances(): ReturnType<RunningDaemon['instances']> {
    throw new Error('not asked');
  }

  async stop(fleet?: 'stop' | 'leave'): Promise<void> {
    this.stops += 1;
    this.fleet = fleet;
    this.stopCalled.resolve();
    if (this.broken) throw this.broken;
  }

  finish(): void {
    this.#end.resolve();
  }

  crash(error: Error): void {
    this.#end.reject(error);
  }
}

let signals: EventEmitter;
let daemon: TestDaemon;
let err: string;
let exits: number[];

beforeEach(() => {
  signals = new EventEmitter();
  daemon = new TestDaemon();
  err = '';
  exits = [];
});

function run(
  launch: () => Promise<RunningDaemon> = async () => daemon,
  onRunning?: (stop: AbortSignal) => Promise<void>,
  more: Partial<ForegroundOptions> = {},
) {
  const context = { stderr: { write: (text: string) => (err += text) } };
  return runInForeground({
    launch,
    context,
    signals,
    exit: (code) => exits.push(code),
    ...(onRunning === undefined ? {} : { onRunning }),
    ...more,
  });
}

describe('signals', () => {
  it.each(['SIGTERM', 'SIGINT'])('%s stops the daemon in order and exits 0', async (signal) => {
    const running = Promise.withResolvers<void>();
    const code = run(undefined, async () => running.resolve());
    await running.promise;
    signals.emit(signal, signal);
    await daemon.stopCalled.promise;
    daemon.finish();
    expect(await code).toBe(0);
    expect(err).toContain(signal);
  });

  it('print a notice the second time, and exit immediately the third time', async () => {
    const running = Promise.withResolvers<void>();
    const code = run(undefined, async () => running.resolve());
    await running.promise;
    signals.emit('SIGINT', 'SIGINT');
    signals.emit('SIGTERM', 'SIGTERM');
    expect(err).toContain('SIGTERM');
    expect(exits).toEqual([]);
    signals.emit('SIGINT', 'SIGINT');
    await daemon.stopCalled.promise;
    expect(exits).toEqual([130]);
    expect(daemon.stops).toBe(1);
    daemon.finish();
    await code;
  });

  it('during the start take effect after it', async () => {
    const launched = Promise.withResolvers<RunningDaemon>();
    const code = run(() => launched.promise);
    signals.emit('SIGTERM', 'SIGTERM');
    launched.resolve(daemon);
    await daemon.stopCalled.promise;
    daemon.finish();
    expect(await code).toBe(0);
  });

  it('have no handlers afterwards', async () => {
    const code = run();
    daemon.finish();
    await code;
    expect(signals.eventNames()).toEqual([]);
  });
});

it('leaves the instances to the next daemon if onStop decides so', async () => {
  const running = Promise.withResolvers<void>();
  const code = run(undefined, async () => running.resolve(), { onStop: async () => 'leave' });
  await running.promise;
  signals.emit('SIGTERM', 'SIGTERM');
  await daemon.stopCalled.promise;
  expect(daemon.fleet).toBe('leave');
  daemon.finish();
  await code;
});

describe('SIGHUP', () => {
  it('reloads and keeps running', async () => {
    const [running, reloaded] = [Promise.withResolvers<void>(), Promise.withResolvers<RunningDaemon>()];
    const code = run(undefined, async () => running.resolve(), {
      onReload: async (which) => reloaded.resolve(which),
    });
    await running.promise;
    signals.emit('SIGHUP', 'SIGHUP');
    expect(await reloaded.promise).toBe(daemon);
    expect(daemon.stops).toBe(0);
    daemon.finish();
    await code;
  });

  it('stops a daemon that had a terminal', async () => {
    const running = Promise.withResolvers<void>();
    const code = run(undefined, async () => running.resolve());
    await running.promise;
    signals.emit('SIGHUP', 'SIGHUP');
    await daemon.stopCalled.promise;
    expect(daemon.fleet).toBe('stop');
    daemon.finish();
    await code;
  });
});

describe('errors are thrown', () => {
  it('of the start', async () => {
    const error = new Error('no port');
    await expect(run(() => Promise.reject(error))).rejects.toBe(error);
    expect(signals.eventNames()).toEqual([]);
  });

  it('of the running daemon', async () => {
    const code = run();
    const error = new Error('it broke');
    daemon.crash(error);
    await expect(code).rejects.toBe(error);
  });

  it('of the stop', async () => {
    daemon.broken = new Error('cannot stop');
    const running = Promise.withResolvers<void>();
    const code = run(undefined, async () => running.resolve());
    await running.promise;
    signals.emit('SIGTERM', 'SIGTERM');
    await expect(code).rejects.toBe(daemon.broken);
  });
});

it('aborts the wait for readiness when it stops', async () => {
  const waiting = Promise.withResolvers<AbortSignal>();
  const code = run(undefined, async (stopping) => waiting.resolve(stopping));
  const stopping = await waiting.promise;
  expect(stopping.aborted).toBe(false);
  daemon.finish();
  await code;
  expect(stopping.aborted).toBe(true);
});
