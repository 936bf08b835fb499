import { decodeJwt, SignJWT, UnsecuredJWT } from 'jose';
import { describe, expect, it } from 'vitest';
import { ManualTime } from '../../test/helpers/manual-time.ts';
import { Sessions } from './sessions.ts';

const secret = new TextEncoder().encode('a secret that is long enough for HS256');
const HOUR_MS = 3_600_000;

function stage(expirationHours = 24) {
  const clock = new ManualTime();
  return { clock, sessions: new Sessions({ secret, expirationHours, clock }) };
}

const REFUSED = expect.objectContaining({ code: 'auth.required' }) as Error;

describe('a session', () => {
  it('says who it is, and for how long', async () => {
    const { clock, sessions } = stage(2);
    const { token, expiresAt } = await sessions.issue({ id: 'ann', role: 'user' });
    expect(expiresAt.getTime() - clock.now().getTime()).toBe(2 * HOUR_MS);
    expect(await sessions.verify(token)).toEqual({
      userId: 'ann',
      role: 'user',
      sessionId: expect.any(String) as string,
      expiresAt,
    });
    const other = await sessions.issue({ id: 'ann', role: 'user' });
    expect(decodeJwt(other.token).jti).not.toBe(decodeJwt(token).jti);
  });

  it('ends, and says so', async () => {
    const { clock, sessions } = stage(1);
    const { token } = await sessions.issue({ id: 'ann', role: 'user' });
    await clock.advance(HOUR_MS);
    await expect(sessions.verify(token)).resolves.toBeDefined();
    await clock.advance(10_000);
    await expect(sessions.verify(token)).rejects.toThrow('the session has expired; sign in again');
  });
});

const claims = { role: 'admin', tenant_id: 'ann' };

/** What the daemon itself would issue, but for what is given. */
function forged(
  { alg = 'HS256', typ = 'fathom-session+jwt', aud = 'fathom-api', iss = 'fathom' } = {},
  payload: Record<string, unknown> = claims,
): SignJWT {
  return new SignJWT(payload)
    .setProtectedHeader({ alg, typ })
    .setIssuer(iss)
    .setAudience(aud)
    .setSubject('ann')
    .setJti('1')
    .setIssuedAt(new Date(Date.UTC(2024, 0, 15, 9)))
    .setExpirationTime(new Date(Date.UTC(2024, 0, 15, 11)));
}

describe('what is no session', () => {
  it('the form that is forged below is accepted when nothing is wrong with it', async () => {
    const { sessions } = stage();
    await expect(sessions.verify(await forged().sign(secret))).resolves.toMatchObject({ userId: 'ann' });
  });

  it.each([
    ['another key', () => forged().sign(Buffer.from('another secret, long enough for HS256'))],
    ['another algorithm', () => forged({ alg: 'HS512' }).sign(Buffer.concat([secret, secret]))],
    ['another type of token', () => forged({ typ: 'JWT' }).sign(secret)],
    ['another audience', () => forged({ aud: 'elsewhere' }).sign(secret)],
    ['another issuer', () => forged({ iss: 'elsewhere' }).sign(secret)],
    ['no role', () => forged({}, { tenant_id: 'ann' }).sign(secret)],
    ['no signature', () => Promise.resolve(new UnsecuredJWT(claims).setSubject('ann').encode())],
    ['no token', () => Promise.resolve('nonsense')],
    ['nothing', () => Promise.resolve('')],
  ])('%s', async (_, forge) => {
    const { sessions } = stage();
    await expect(sessions.verify(await forge())).rejects.toThrow(REFUSED);
  });
});
