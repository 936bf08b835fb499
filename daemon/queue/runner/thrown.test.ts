import { runInNewContext } from 'node:vm';
import { describe, expect, it } from 'vitest';
import { describeThrown } from './thrown.ts';

describe('describeThrown', () => {
  it.each([
    ['a string', 'boom', { name: 'Error', message: 'boom', stack: null }],
    ['an object with a message', { message: 'boom', code: 'E_BOOM' }, { message: 'boom', code: 'E_BOOM' }],
    ['an object without a message', { reason: 'boom', n: 1 }, { message: "{ reason: 'boom', n: 1 }" }],
    ['a number', 7, { message: '7' }],
    ['undefined', undefined, { message: 'undefined' }],
    ['null', null, { message: 'null' }],
    [
      'an error whose message is not a string',
      Object.assign(new Error(), { message: { a: 1 } }),
      { name: 'Error' },
    ],
    ['an error with a number as code', Object.assign(new Error('boom'), { code: 7 }), { code: '7' }],
    [
      'an error of another context',
      runInNewContext("new TypeError('boom')"),
      { name: 'TypeError', message: 'boom' },
    ],
    [
      'an error whose name is not a string',
      Object.assign(new Error('boom'), { name: 5 }),
      { name: 'Error', message: 'boom' },
    ],
  ])('describes %s', (_, thrown, expected) => {
    expect(describeThrown(thrown)).toMatchObject(expected);
  });

  it('lists causes, also of an AggregateError and in a cycle', () => {
    const inner = Object.assign(new Error('connection refused'), { code: 'ECONNREFUSED' });
    const error = new Error('could not save', {
      cause: new AggregateError([inner, 'and more'], 'both failed'),
    });
    inner.cause = error;
    expect(describeThrown(error).causes).toEqual([
      'AggregateError: both failed',
      'Error: connection refused (ECONNREFUSED)',
      'Error: and more',
    ]);
  });

  it('limits the size of the description', () => {
    const long = 'x'.repeat(1_000_000);
    const error = Object.assign(new Error(long, { cause: long }), { name: long, code: long });
    expect(JSON.stringify(describeThrown(error)).length).toBeLessThan(20_000);
    const hostile = {
      get message(): string {
        throw new Error('not that easily');
      },
    };
    expect(describeThrown(hostile).name).toBe('Error');
  });
});
