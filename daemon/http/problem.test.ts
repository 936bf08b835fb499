import { ClientResponseError } from 'pocketbase';
import { describe, expect, it } from 'vitest';
import { problemSchema } from '../../shared/api/contract/endpoint.ts';
import { FathomError } from '../../shared/errors.ts';
import { textWith } from '../../test/helpers/text-with.ts';
import { formatRefusal, logLevelOf, toFathomError } from './problem.ts';

function fastifyError(statusCode: number, message: string): Error {
  return Object.assign(new Error(message), { statusCode });
}

describe('toFathomError', () => {
  it('returns an error that has a code unchanged', () => {
    const error = new FathomError('conflict', 'later');
    expect(toFathomError(error)).toBe(error);
  });

  it.each([
    [400, 'request.invalid', 400],
    [404, 'not_found', 404],
    [405, 'request.method_not_allowed', 405],
    [413, 'request.too_large', 413],
    [414, 'request.invalid', 400],
    [415, 'request.unsupported_type', 415],
    [429, 'rate_limited', 429],
  ])("maps Fastify's status %d to %s", (statusCode, code, status) => {
    expect(toFathomError(fastifyError(statusCode, 'why'))).toMatchObject({ code, status, message: 'why' });
  });

  it.each([
    ['an error', new Error('password=hunter2 at /srv/secret')],
    ["the framework's 500", fastifyError(500, 'password=hunter2')],
    ['a string', 'hunter2'],
    ['null', null],
  ])('reports %s as internal, without its message', (_, thrown) => {
    const error = toFathomError(thrown);
    expect(error).toMatchObject({ code: 'internal', status: 500, cause: thrown });
    expect(error.message).not.toContain('hunter2');
  });

  it('reports a full disk of the host', () => {
    const error = Object.assign(new Error('ENOSPC: no space left on device, write'), { code: 'ENOSPC' });
    expect(toFathomError(error)).toMatchObject({ code: 'internal', message: textWith('full') });
  });

  it('reports a refusal by the global PocketBase without its message', () => {
    const refusal = new ClientResponseError({ status: 400, response: { message: 'column xyz' } });
    const error = toFathomError(refusal);
    expect(error).toMatchObject({ code: 'control_plane.unavailable', status: 503 });
    expect(error.message).toContain('400');
    expect(error.message).not.toContain('column xyz');
  });
});

describe('formatRefusal', () => {
  it('has the form of every other error', () => {
    const response = formatRefusal(new FathomError('auth.required', 'sign in first'));
    const [head = '', body = ''] = response.split('\r\n\r\n');
    expect(head.split('\r\n')).toEqual(
      expect.arrayContaining([
        'HTTP/1.1 401 Unauthorized',
        'Content-Type: application/problem+json',
        'www-authenticate: Bearer',
      ]),
    );
    expect(problemSchema.parse(JSON.parse(body))).toMatchObject({ status: 401, code: 'auth.required' });
  });
});

describe('logLevelOf', () => {
  it.each([
    ['internal', 'error'],
    ['control_plane.unavailable', 'error'],
    ['daemon.starting', 'info'],
    ['auth.required', null],
  ] as const)('logs %s as %s', (code, level) => {
    expect(logLevelOf(new FathomError(code, 'why'))).toBe(level);
  });
});
