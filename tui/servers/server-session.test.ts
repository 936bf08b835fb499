import { setImmediate } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { ManualClock } from '../../test/console/manual-clock.ts';
import type { SavedSession } from './profile-files.ts';
import { ServerSession } from './server-session.ts';

const HOUR = 3_600_000;

/** A session against a daemon that numbers its tokens; each lives for an hour. */
function stage({ kept = null, token }: { kept?: SavedSession | null; token?: string } = {}) {
  const clock = new ManualClock();
  const file: (SavedSession | null)[] = [];
  let number = 0;
  let away = false;
  const issue = async () => {
    if (away) throw new Error('the daemon is away');
    number += 1;
    return {
      token: `token-${number}`,
      expires_at: new Date(clock.now() + HOUR).toISOString(),
      user: { id: 'u', email: 'a@example.com', role: 'viewer' },
      database: null,
    };
  };
  const session = new ServerSession({
    token,
    kept,
    keep: async (one) => void file.push(one),
    login: issue,
    refresh: issue,
    clock,
  });
  return { session, clock, file, leave: (gone: boolean) => (away = gone) };
}

/** And lets what came due end. */
async function pass(clock: ManualClock, ms: number): Promise<void> {
  clock.advance(ms);
  await setImmediate();
}

describe('a session', () => {
  it('is renewed at half of its life, and again when that failed', async () => {
    const { session, clock, file, leave } = stage();
    expect(session.token).toBeUndefined();
    expect(await session.signIn('a@example.com', 'secret', false)).toMatchObject({ role: 'viewer' });
    expect(session.token).toBe('token-1');
    await pass(clock, HOUR / 2);
    expect(session.token).toBe('token-2');
    leave(true);
    await pass(clock, HOUR / 2);
    expect(session.token).toBe('token-2');
    leave(false);
    await pass(clock, 60_000);
    expect(session.token).toBe('token-3');
    expect(file).toEqual([null]);
  });

  it('is kept only when asked for, and with every renewal', async () => {
    const { session, clock, file } = stage();
    await session.signIn('a@example.com', 'secret', true);
    await pass(clock, HOUR / 2);
    expect(file.map((one) => one?.token)).toEqual(['token-1', 'token-2']);
  });

  it('goes on from what was kept, unless that has ended or another token is given', () => {
    const kept = { token: 'old', expires_at: new Date(new ManualClock().now() + HOUR).toISOString() };
    expect(stage({ kept }).session.token).toBe('old');
    expect(stage({ kept, token: 'given' }).session.token).toBe('given');
    expect(stage({ kept: { ...kept, expires_at: '2020-01-01T00:00:00Z' } }).session.token).toBeUndefined();
  });
});
