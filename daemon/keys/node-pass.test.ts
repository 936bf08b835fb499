import { randomBytes } from 'node:crypto';
import { expect, it } from 'vitest';
import { readPass, writePass } from './node-pass.ts';

const key = randomBytes(32);
const NOW = new Date('2026-01-15T10:00:00.000Z');
const ONE = { key, node: 'n1', fleet: 'f' };
const TWO = { key, node: 'n2', fleet: 'f' };
const REQUEST = { method: 'POST', url: '/api/v1/databases/a/stop?x=ä', credentials: 'of an owner' };
const PASS = {
  ...REQUEST,
  to: 'n2',
  body: '',
  request_id: 'request-1',
  client: '192.0.2.1',
  local: null,
};

const later = (seconds: number) => new Date(NOW.getTime() + seconds * 1000);

it('is read by the node that it is for', () => {
  const header = writePass(PASS, ONE, NOW);
  expect(readPass(header, REQUEST, TWO, later(30))).toEqual({
    ...PASS,
    from: 'n1',
    fleet: 'f',
    at: NOW.toISOString(),
  });
});

it.each([
  ['of another key', () => writePass(PASS, { ...ONE, key: randomBytes(32) }, NOW), {}, false],
  ['for other rights', () => writePass(PASS, ONE, NOW), { credentials: 'of an administrator' }],
  ['of another fleet', () => writePass(PASS, { ...ONE, fleet: 'g' }, NOW), {}],
  ['for another node', () => writePass({ ...PASS, to: 'n3' }, ONE, NOW), {}],
  ['for another path', () => writePass(PASS, ONE, NOW), { url: '/api/v1/databases/b/stop' }],
  ['for another method', () => writePass(PASS, ONE, NOW), { method: 'DELETE' }],
  ['of earlier', () => writePass(PASS, ONE, later(-61)), {}],
  ['of later', () => writePass(PASS, ONE, later(61)), {}],
  ['that was changed', () => writePass(PASS, ONE, NOW).replace(/^./, 'f'), {}, false],
  ['without a signature', () => writePass(PASS, ONE, NOW).split('.')[0], {}, false],
  ['that is empty', () => '', {}, false],
  ['of several headers', () => ['a', 'b'], {}, false],
])('refuses one %s', (_what, header, request, isSigned = true) => {
  expect(readPass(header(), { ...REQUEST, ...request }, TWO, NOW)).toEqual({
    problem: expect.any(String) as string,
    isSigned,
  });
});
