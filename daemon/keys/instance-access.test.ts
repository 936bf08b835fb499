import { jwtVerify } from 'jose';
import { describe, expect, it } from 'vitest';
import { RECORD_ID } from '../../shared/record-id.ts';
import { ManualTime } from '../../test/helpers/manual-time.ts';
import {
  newSuperuserSecret,
  SUPERUSERS_COLLECTION_ID,
  signPocketBaseToken,
  superuserKeys,
  superuserTokens,
} from './instance-access.ts';

describe("the keys of an instance's superuser", () => {
  it('are derived from its secret, in the format of PocketBase', () => {
    const secret = newSuperuserSecret();
    expect(secret).toHaveLength(32);
    expect(superuserKeys(secret)).toEqual(superuserKeys(Buffer.from(secret)));
    expect(superuserKeys(secret)).toEqual({
      recordId: expect.stringMatching(RECORD_ID) as string,
      tokenKey: expect.stringMatching(/^[\w-]{50}$/) as string,
      collectionSecret: expect.stringMatching(/^[\w-]{50}$/) as string,
    });
  });

  it('differ for every secret', () => {
    const all = Array.from({ length: 50 }, () => Object.values(superuserKeys(newSuperuserSecret()))).flat();
    expect(new Set(all).size).toBe(150);
  });
});

describe('a superuser token', () => {
  it('is signed with both keys and names the superuser', async () => {
    const secret = newSuperuserSecret();
    const clock = new ManualTime();
    const { recordId, tokenKey, collectionSecret } = superuserKeys(secret);
    const token = await superuserTokens(secret, clock)();
    const { payload, protectedHeader } = await jwtVerify(
      token,
      new TextEncoder().encode(tokenKey + collectionSecret),
      { currentDate: clock.now() },
    );
    expect(protectedHeader.alg).toBe('HS256');
    expect(payload).toMatchObject({
      id: recordId,
      collectionId: SUPERUSERS_COLLECTION_ID,
      type: 'auth',
      refreshable: false,
      exp: clock.now().getTime() / 1000 + 3600,
    });
  });

  it('is renewed shortly before it expires', async () => {
    const clock = new ManualTime();
    const token = superuserTokens(newSuperuserSecret(), clock);
    const first = await token();
    await clock.advance(50 * 60_000);
    expect(await token()).toBe(first);
    await clock.advance(6 * 60_000);
    const second = await token();
    expect(second).not.toBe(first);
    expect(await token()).toBe(second);
  });

  it('of an owner is refreshable', async () => {
    const expiresAt = new Date('2024-01-15T10:00:00Z');
    const token = await signPocketBaseToken(
      'key',
      { id: 'a', collectionId: 'b', refreshable: true },
      expiresAt,
    );
    const claims = JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString()) as object;
    expect(claims).toEqual({ id: 'a', collectionId: 'b', refreshable: true, type: 'auth', exp: 1705312800 });
  });
});
