import { describe, expect, it } from 'vitest';
import type { DaemonStatus } from '../../../shared/api/daemon.ts';
import { FathomError } from '../../../shared/errors.ts';
import { awaitReady } from './await-ready.ts';

function answering(...answers: (Partial<DaemonStatus> | Error)[]) {
  return async (): Promise<DaemonStatus> => {
    const answer = answers.shift();
    if (answer === undefined || answer instanceof Error) throw answer ?? new Error('asked too often');
    return answer as DaemonStatus;
  };
}

const never = new AbortController().signal;

describe('awaitReady', () => {
  it('tells each thing that is waited for once', async () => {
    const told: string[] = [];
    const status = await awaitReady({
      status: answering(
        new FathomError('daemon.unreachable', 'x'),
        new FathomError('daemon.unreachable', 'x'),
        { ready: false, waiting_for: 'the global PocketBase' },
        { ready: false, waiting_for: 'the global PocketBase' },
        { ready: false, waiting_for: null },
        { ready: true, pid: 7 },
      ),
      onWaiting: (what) => told.push(what),
      signal: never,
      pollEveryMs: 0,
    });
    expect(status?.pid).toBe(7);
    expect(told).toHaveLength(3);
    expect(told[1]).toBe('the global PocketBase');
  });

  it('gives up at once on what will not pass by waiting', async () => {
    const refusal = new FathomError('auth.forbidden', 'no');
    const attempt = awaitReady({
      status: answering(refusal),
      onWaiting: () => {},
      signal: never,
      pollEveryMs: 0,
    });
    await expect(attempt).rejects.toBe(refusal);
  });

  it('ends with null when the signal comes first', async () => {
    const stopping = new AbortController();
    const status = await awaitReady({
      status: answering({ ready: false, waiting_for: null }),
      onWaiting: () => stopping.abort(),
      signal: stopping.signal,
      pollEveryMs: 60_000,
    });
    expect(status).toBeNull();
  });
});
