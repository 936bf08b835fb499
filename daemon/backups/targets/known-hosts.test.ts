import { createHmac, randomBytes } from 'node:crypto';
import { expect, it } from 'vitest';
import { findHostKeys, judgeHostKey } from './known-hosts.ts';

const KEY = randomBytes(51);
const OTHER = randomBytes(51);
const [text, other] = [KEY, OTHER].map((key) => key.toString('base64')) as [string, string];

function hashed(name: string): string {
  const salt = randomBytes(20);
  return `|1|${salt.toString('base64')}|${createHmac('sha1', salt).update(name).digest('base64')}`;
}

function judge(lines: string[], { host = 'backup.example.com', port = 22, key = KEY } = {}) {
  return judgeHostKey(findHostKeys(`${lines.join('\n')}\n`, host, port), key);
}

it.each([
  ['a name', 'backup.example.com'],
  ['a name in capital letters', 'Backup.Example.com'],
  ['several names', 'a.example.com,backup.example.com,192.0.2.1'],
  ['a wildcard', '*.example.com'],
  ['a hashed name', hashed('backup.example.com')],
])('finds %s', (_, names) => {
  expect(judge(['# a comment', '', `${names} ssh-ed25519 ${text} a comment`])).toBe('known');
  expect(judge([`${names} ssh-ed25519 ${other}`])).toBe('changed');
  expect(judge([`${names} ssh-ed25519 ${text}`, `@revoked ${names} ssh-ed25519 ${text}`])).toBe('revoked');
  expect(judge([`@cert-authority ${names} ssh-ed25519 ${text}`])).toBe('unknown');
});

it.each([
  'other.example.com',
  'example.com',
  '*.example.com,!backup.example.com',
  'backupXexample.com',
  hashed('a'),
])('does not find %s', (names) => {
  expect(judge([`${names} ssh-ed25519 ${text}`])).toBe('unknown');
});

it('tells servers of one host apart by their ports', () => {
  const lines = [
    `[backup.example.com]:2222 ssh-ed25519 ${text}`,
    `${hashed('[backup.example.com]:2223')} ssh-ed25519 ${text}`,
  ];
  expect(judge(lines, { port: 2222 })).toBe('known');
  expect(judge(lines, { port: 2223 })).toBe('known');
  expect(judge(lines)).toBe('unknown');
});
