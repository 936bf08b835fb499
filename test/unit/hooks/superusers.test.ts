import { expect, it } from 'vitest';
import { actionOf, isRecordRequest, withDaemonAddresses } from '../../../pb_hooks/global/rules/superusers.js';

it.each([
  ['/api/batch', true],
  ['/api/collections/users/records', true],
  ['/api/collections/users/records/abc', true],
  ['/api/collections/users', false],
  ['/api/collections/users/recordsets', false],
  ['/api/batches', false],
  ['/api/settings', false],
  ['/other/api/batch', false],
])('%s is a request for records: %s', (path, expected) => {
  expect(isRecordRequest(path)).toBe(expected);
});

it('names the action after the method', () => {
  expect(actionOf('PATCH')).toBe('superuser.patch');
});

it.each([
  ['an empty list, which would allow every address', [], ['127.0.0.1', '::1']],
  ['a list with the daemon', ['127.0.0.1', '::1', '10.0.0.1'], null],
  ['a list without the daemon', ['10.0.0.1'], ['10.0.0.1', '127.0.0.1', '::1']],
  ['a list with one address of the daemon', ['::1'], ['::1', '127.0.0.1']],
])('completes %s', (_, allowed, expected) => {
  expect(withDaemonAddresses(allowed, '127.0.0.1,::1')).toEqual(expected);
});
