import { createHash } from 'node:crypto';
import { decodeJwt, SignJWT, UnsecuredJWT } from 'jose';
import { describe, expect, it } from 'vitest';
import { ManualTime } from '../../../test/helpers/manual-time.ts';
import { keyId } from '../../keys/derived-keys.ts';
import { Sessions } from './sessions.ts';

const secret = new TextEncoder().encode('a secret that is long enough for HS256');
const HOUR_MS = 3_600_000;

function createSessions(expirationHours = 24) {
  const clock = new ManualTime();
  return { clock, sessions: new Sessions({ secret, previousSecret: null, expirationHours, clock }) };
}

const REFUSED = expect.objectContaining({ code: 'auth.required' }) as Error;

describe('a session token', () => {
  it('contains the user, a hash of its id and the time of expiry', async () => {
    const { clock, sessions } = createSessions(2);
    const { token, expiresAt } = await sessions.issue({ id: 'ann', role: 'user' });
    expect(expiresAt.getTime() - clock.now().getTime()).toBe(2 * HOUR_MS);
    expect(await sessions.verify(token)).toEqual({
      userId: 'ann',
      hash: createHash('sha256')
        .update(String(decodeJwt(token).jti))
        .digest('hex'),
      expiresAt,
      limits: [],
    });
    const other = await sessions.issue({ id: 'ann', role: 'user' });
    expect(decodeJwt(other.token).jti).not.toBe(decodeJwt(token).jti);
  });

  it('contains the roles that limit it', async () => {
    const { sessions } = createSessions();
    const { token } = await sessions.issue({ id: 'ann', role: 'admin' }, ['viewer']);
    expect(await sessions.verify(token)).toMatchObject({ limits: ['viewer'] });
  });

  it('expires', async () => {
    const { clock, sessions } = createSessions(1);
    const { token } = await sessions.issue({ id: 'ann', role: 'user' });
    await clock.advance(HOUR_MS);
    await expect(sessions.verify(token)).resolves.toBeDefined();
    await clock.advance(10_000);
    await expect(sessions.verify(token)).rejects.toThrow(REFUSED);
  });
});

const claims = { role: 'admin', tenant_id: 'ann' };

/** A token as the daemon issues it, except for the given parts. */
function forged(
  { alg = 'HS256', typ = 'fathom-session+jwt', aud = 'fathom-api', iss = 'fathom', kid = keyId(secret) } = {},
  payload: Record<string, unknown> = claims,
): SignJWT {
  return new SignJWT(payload)
    .setProtectedHeader({ alg, typ, kid })
    .setIssuer(iss)
    .setAudience(aud)
    .setSubject('ann')
    .setJti('1')
    .setIssuedAt(new Date(Date.UTC(2024, 0, 15, 9)))
    .setExpirationTime(new Date(Date.UTC(2024, 0, 15, 11)));
}

describe('rejects', () => {
  it('no unchanged token of `forged`', async () => {
    const { sessions } = createSessions();
    await expect(sessions.verify(await forged().sign(secret))).resolves.toMatchObject({ userId: 'ann' });
  });

  it.each([
    ['another key', () => forged().sign(Buffer.from('another secret, long enough for HS256'))],
    ['another algorithm', () => forged({ alg: 'HS512' }).sign(Buffer.concat([secret, secret]))],
    ["another key with the id of the daemon's key", () => forged().sign(Buffer.from('b'.repeat(40)))],
    ['an unknown key', () => forged({ kid: 'unknown' }).sign(secret)],
    ['another tenant', () => forged({}, { ...claims, tenant_id: 'bob' }).sign(secret)],
    ['a role that does not exist', () => forged({}, { ...claims, role: 'god' }).sign(secret)],
    [
      'a token issued in the future',
      () =>
        forged()
          .setIssuedAt(new Date(Date.UTC(2024, 0, 15, 10, 30)))
          .sign(secret),
    ],
    [
      'a token that is not valid yet',
      () =>
        forged()
          .setNotBefore(new Date(Date.UTC(2024, 0, 15, 10, 30)))
          .sign(secret),
    ],
    ['a token without expiry', () => new SignJWT(claims).setProtectedHeader({ alg: 'HS256' }).sign(secret)],
    ['another type of token', () => forged({ typ: 'JWT' }).sign(secret)],
    ['another audience', () => forged({ aud: 'elsewhere' }).sign(secret)],
    ['another issuer', () => forged({ iss: 'elsewhere' }).sign(secret)],
    ['no role', () => forged({}, { tenant_id: 'ann' }).sign(secret)],
    ['no signature', () => Promise.resolve(new UnsecuredJWT(claims).setSubject('ann').encode())],
    ['text that is not a token', () => Promise.resolve('nonsense')],
    ['an empty token', () => Promise.resolve('')],
  ])('%s', async (_, forge) => {
    const { sessions } = createSessions();
    await expect(sessions.verify(await forge())).rejects.toThrow(REFUSED);
  });
});

it('accepts tokens of the previous key while it is configured', async () => {
  const { clock, sessions } = createSessions();
  const { token } = await sessions.issue({ id: 'ann', role: 'user' });
  const next = { secret: Buffer.from('n'.repeat(40)), expirationHours: 1, clock };
  const during = new Sessions({ ...next, previousSecret: secret });
  await expect(during.verify(token)).resolves.toMatchObject({ userId: 'ann' });
  const after = new Sessions({ ...next, previousSecret: null });
  await expect(after.verify(token)).rejects.toThrow(REFUSED);
  await expect(after.verify((await during.issue({ id: 'ann', role: 'user' })).token)).resolves.toBeDefined();
});
