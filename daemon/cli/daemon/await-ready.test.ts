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
  it('reports each reason for waiting once', async () => {
    const reported: string[] = [];
    const status = await awaitReady({
      status: answering(
        new FathomError('daemon.unreachable', 'x'),
        new FathomError('daemon.unreachable', 'x'),
        { ready: false, waiting_for: 'the global PocketBase' },
        { ready: false, waiting_for: 'the global PocketBase' },
        { ready: false, waiting_for: null },
        { ready: true, pid: 7 },
      ),
      onWaiting: (what) => reported.push(what),
      signal: never,
      pollEveryMs: 0,
    });
    expect(status?.pid).toBe(7);
    expect(reported).toHaveLength(3);
    expect(reported[1]).toBe('the global PocketBase');
  });

  it('throws an error that waiting cannot fix', async () => {
    const refusal = new FathomError('auth.forbidden', 'no');
    const attempt = awaitReady({
      status: answering(refusal),
      onWaiting: () => {},
      signal: never,
      pollEveryMs: 0,
    });
    await expect(attempt).rejects.toBe(refusal);
  });

  it('returns null if the signal aborts first', async () => {
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
