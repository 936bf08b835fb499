import { expect, it } from 'vitest';
import { bodyProblem, isEmailChange, MAX_BODY } from '../../../pb_hooks/global/rules/requests.js';

it.each([
  [0, null],
  [MAX_BODY, null],
  [MAX_BODY + 1, 413],
  [Number.MAX_SAFE_INTEGER, 413],
  [-1, 411],
])('a body of %i bytes is refused with %s', (length, status) => {
  expect(bodyProblem(length)?.status ?? null).toBe(status);
});

it.each([
  ['/api/collections/users/confirm-email-change', true],
  ['/api/collections/_pb_users_auth_/confirm-email-change', true],
  ['/api/collections/users/request-email-change', false],
  ['/api/collections/users/records', false],
])('%s confirms a new address: %s', (path, expected) => {
  expect(isEmailChange(path)).toBe(expected);
});
