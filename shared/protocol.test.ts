import { describe, expect, it } from 'vitest';
import { clientFrameSchema, credentialsSchema, pageQuerySchema, registerSchema } from './protocol.ts';

describe('a registration', () => {
  const account = { email: 'ann@example.com', password: 'a-good-password' };

  it.each([
    [{ ...account }, true],
    [{ ...account, name: 'Ann' }, true],
    [{ ...account, password: 'x'.repeat(71) }, true],
    // bcrypt would silently truncate it.
    [{ ...account, password: 'x'.repeat(72) }, false],
    [{ ...account, password: 'seven77' }, false],
    [{ ...account, email: `${'a'.repeat(250)}@example.com` }, false],
    [{ ...account, company: 'a field added by the administrator' }, true],
    [{ email: account.email }, false],
    [{ ...account, email: ['ann@example.com'] }, false],
  ])('%j: %s', (body, valid) => {
    expect(registerSchema.safeParse(body).success).toBe(valid);
  });

  it('signs in with any address that PocketBase accepts', () => {
    expect(credentialsSchema.safeParse({ ...account, email: 'naïve@example.com' }).success).toBe(true);
    expect(credentialsSchema.safeParse({ ...account, email: '' }).success).toBe(false);
  });
});

describe('pages', () => {
  it('have defaults and bounds', () => {
    expect(pageQuerySchema.parse({})).toEqual({ page: 1, per_page: 50 });
    expect(pageQuerySchema.parse({ page: '3', per_page: '500' })).toEqual({ page: 3, per_page: 500 });
    for (const query of [
      { page: '0' },
      { page: '1.5' },
      { per_page: '501' },
      { page: 'NaN' },
      { page: '1e99' },
    ]) {
      expect(pageQuerySchema.safeParse(query).success, JSON.stringify(query)).toBe(false);
    }
  });
});

describe('frames of a client', () => {
  it.each([
    [{ type: 'subscribe', id: 1, topics: ['instances', 'logs:2024-01-15-001-ann'] }, true],
    [{ type: 'ping', id: 'a' }, true],
    [{ type: 'subscribe', id: 1, topics: [] }, false],
    [{ type: 'subscribe', id: 1, topics: ['logs:'] }, false],
    [{ type: 'subscribe', id: 1, topics: ['everything'] }, false],
    [{ type: 'subscribe', topics: ['instances'] }, false],
    [{ type: 'ping', id: 1, more: true }, false],
    [{ type: 'stop', id: 1 }, false],
    [null, false],
  ])('%j: %s', (frame, valid) => {
    expect(clientFrameSchema.safeParse(frame).success).toBe(valid);
  });
});
