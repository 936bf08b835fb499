import { ClientResponseError } from 'pocketbase';
import { describe, expect, it } from 'vitest';
import { FathomError } from '../../shared/errors.ts';
import { toFathomError } from './problem.ts';

function fastifyError(statusCode: number, message: string): Error {
  return Object.assign(new Error(message), { statusCode });
}

describe('whatever was thrown, as a problem', () => {
  it('keeps what has a code already', () => {
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
  ])("takes the framework's %d for %s", (statusCode, code, status) => {
    expect(toFathomError(fastifyError(statusCode, 'why'))).toMatchObject({ code, status, message: 'why' });
  });

  it.each([
    ['an error', new Error('password=hunter2 at /srv/secret')],
    ["the framework's 500", fastifyError(500, 'password=hunter2')],
    ['no error at all', 'hunter2'],
    ['null', null],
  ])('tells nothing of %s', (_, thrown) => {
    const error = toFathomError(thrown);
    expect(error).toMatchObject({ code: 'internal', status: 500, cause: thrown });
    expect(error.message).not.toContain('hunter2');
  });

  it('tells of the control plane only that it refused', () => {
    const refusal = new ClientResponseError({ status: 400, response: { message: 'column xyz' } });
    const problem = toFathomError(refusal);
    expect(problem).toMatchObject({
      code: 'control_plane.unavailable',
      status: 503,
    });
    expect(problem.message).toContain('400');
    expect(problem.message).not.toContain('column xyz');
  });
});
