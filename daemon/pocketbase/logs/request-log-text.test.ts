import { expect, it } from 'vitest';

import { describeEntry, hideSecrets, type LogRow, redactUrl } from './request-log-text.ts';

const ROW: LogRow = {
  id: 1,
  at: '2024-01-15T10:00:00.000Z',
  level: 'error',
  message: 'GET /x?token=hidden',
  isRequest: true,
  method: 'POST',
  url: '/api/collections/users/records',
  status: 400,
  error: '',
  details: '',
  address: '10.0.0.1',
  data: '{}',
};

it.each<[Partial<LogRow>, string]>([
  [{}, 'ERROR POST /api/collections/users/records 400 · from 10.0.0.1'],
  [
    {
      error: 'Failed to create record.',
      details:
        '{"email":{"code":"validation_not_unique","message":"Value must be unique."},"password":{"message":"Cannot be blank."}}',
      address: '',
    },
    'ERROR POST /api/collections/users/records 400 · Failed to create record. · email: Value must be unique., password: Cannot be blank.',
  ],
  [
    { details: 'sql: no rows\nin result set' },
    'ERROR POST /api/collections/users/records 400 · sql: no rows in result set · from 10.0.0.1',
  ],
  [
    {
      isRequest: false,
      level: 'warn',
      message: 'Failed to send password reset email',
      data: '{"error":"dial tcp 127.0.0.1:25: refused","smtpPassword":"pa55"}',
    },
    'WARN Failed to send password reset email · error: dial tcp 127.0.0.1:25: refused, smtpPassword: …',
  ],
])('describes %j in one line', (changes, text) => {
  expect(describeEntry({ ...ROW, ...changes })).toEqual({
    at: ROW.at,
    level: changes.level ?? 'error',
    text,
  });
});

it.each([
  ['/api/files/a/b/c.png?token=abc&thumb=100x100', '/api/files/a/b/c.png?token=…&thumb=100x100'],
  ['/api/oauth2-redirect?code=4%2F0A&state=xyz', '/api/oauth2-redirect?code=…&state=…'],
  ["/api/x?filter=email='jo@example.com'%26%26a=1&page=2", "/api/x?filter=email='…'&&a=1&page=2"],
  ['/api/x?filter=(title%3D"pa55"', "/api/x?filter=(title='…'"],
  ['/api/x', '/api/x'],
  ['/api/realtime/eyJhbGciOiJIUzI1NiJ9.eyJpZCI6IjEifQ.c2ln', '/api/realtime/…'],
])('hides secrets in %s', (url, redacted) => {
  expect(redactUrl(url)).toBe(redacted);
});

it.each([
  ['Authorization: Bearer abc.def', 'Authorization: … abc.def'],
  ['smtp://user:pa55@mail.example.com refused', 'smtp://user:…@mail.example.com refused'],
  ['{"password":"pa55","identity":"jo"}', '{"password":…,"identity":"jo"}'],
  ['key fk_12ab34_secretsecret is unknown', 'key … is unknown'],
  ['invalid refresh_token=abc123&x=1', 'invalid refresh_token=…&x=1'],
])('hides secrets in the text %j', (text, redacted) => {
  if (text.startsWith('Authorization')) expect(hideSecrets(text)).not.toContain('abc.def');
  else expect(hideSecrets(text)).toBe(redacted);
});
