import { setImmediate } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { ManualClock } from '../../test/console/manual-clock.ts';
import type { SavedSession } from './profile-files.ts';
import { ServerSession } from './server-session.ts';

const HOUR = 3_600_000;

/** A session against a daemon that numbers its tokens; each lives for an hour. */
function setUp({ saved = null, token }: { saved?: SavedSession | null; token?: string } = {}) {
  const clock = new ManualClock();
  const file: (SavedSession | null)[] = [];
  let number = 0;
  let isDown = false;
  const issue = async () => {
    if (isDown) throw new Error('the daemon is down');
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
    saved,
    save: async (one) => void file.push(one),
    login: issue,
    refresh: issue,
    clock,
  });
  return { session, clock, file, setDown: (down: boolean) => (isDown = down) };
}

/** Advances the clock and lets the callbacks that are due finish. */
async function pass(clock: ManualClock, ms: number): Promise<void> {
  clock.advance(ms);
  await setImmediate();
}

describe('a session', () => {
  it('is renewed after half of its lifetime, and again after a failure', async () => {
    const { session, clock, file, setDown } = setUp();
    expect(session.token).toBeUndefined();
    expect(await session.signIn('a@example.com', 'secret', false)).toMatchObject({ role: 'viewer' });
    expect(session.token).toBe('token-1');
    await pass(clock, HOUR / 2);
    expect(session.token).toBe('token-2');
    setDown(true);
    await pass(clock, HOUR / 2);
    expect(session.token).toBe('token-2');
    setDown(false);
    await pass(clock, 60_000);
    expect(session.token).toBe('token-3');
    expect(file).toEqual([null]);
  });

  it('is saved only on request, and after each renewal', async () => {
    const { session, clock, file } = setUp();
    await session.signIn('a@example.com', 'secret', true);
    await pass(clock, HOUR / 2);
    expect(file.map((one) => one?.token)).toEqual(['token-1', 'token-2']);
  });

  it('uses the saved session, unless it has expired or another token is given', () => {
    const saved = { token: 'old', expires_at: new Date(new ManualClock().now() + HOUR).toISOString() };
    expect(setUp({ saved }).session.token).toBe('old');
    expect(setUp({ saved, token: 'given' }).session.token).toBe('given');
    expect(setUp({ saved: { ...saved, expires_at: '2020-01-01T00:00:00Z' } }).session.token).toBeUndefined();
  });
});
