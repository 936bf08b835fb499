import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { describeIssue } from './api/contract/value-errors.ts';
import { ERROR_CODES, FathomError, messageOf } from './errors.ts';

describe('the error table', () => {
  it.each(Object.entries(ERROR_CODES))(
    '%s has a status, an exit code and a title',
    (code, { status, exit, title }) => {
      expect(code).toMatch(/^[a-z_]+(\.[a-z_]+)?$/);
      expect(status).toBeGreaterThanOrEqual(400);
      expect(status).toBeLessThan(600);
      expect(exit).toBeGreaterThan(0);
      expect(exit).toBeLessThan(126);
      expect(title).toMatch(/^[A-Z].*[^.]$/);
    },
  );
});

describe('a FathomError', () => {
  it('carries its code, cause and fields', () => {
    const cause = new Error('below');
    const fields = [{ path: 'email', message: 'is taken' }];
    const error = new FathomError('auth.email_taken', 'sign in instead', { cause, fields });
    expect(error).toMatchObject({ code: 'auth.email_taken', status: 409, exitCode: 1, cause, fields });
    expect(error).toBeInstanceOf(Error);
    expect(new FathomError('internal', 'x')).not.toHaveProperty('cause');
  });
});

describe('messageOf', () => {
  it('returns a message for any thrown value', () => {
    expect([new Error('a'), 'b', 3, undefined, null].map(messageOf)).toEqual([
      'a',
      'b',
      '3',
      'undefined',
      'null',
    ]);
  });

  it('names the fields that a schema refuses', () => {
    const schema = z.strictObject({ name: z.string().min(2), tags: z.array(z.int()), to: z.email() });
    const { error } = schema.safeParse(
      { name: 'a', tags: [1.5], to: 'x', more: 1 },
      { error: describeIssue },
    );
    expect(messageOf(error)).toBe(
      'name: Must have at least 2 characters. tags.0: Must be a whole number. to: Must be an e-mail address. There is no field more.',
    );
    expect(() => schema.parse(null)).toThrow(
      expect.objectContaining({ issues: expect.any(Array) as unknown[] }),
    );
    expect(messageOf(schema.safeParse(null, { error: describeIssue }).error)).toBe('Must be an object.');
  });
});
