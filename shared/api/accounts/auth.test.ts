import { describe, expect, it } from 'vitest';
import { credentialsSchema, registerSchema } from './auth.ts';

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
