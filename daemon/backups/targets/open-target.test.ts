import { expect, it } from 'vitest';
import { BackupProblem } from '../backup-problem.ts';
import { openTarget } from './open-target.ts';
import { S3Target } from './s3-target.ts';
import { SftpTarget } from './sftp-target.ts';

it('opens directories, buckets and servers', () => {
  expect(openTarget('s3://bucket')).toBeInstanceOf(S3Target);
  const options = 'endpoint=https://s3.example.com&region=eu-central-1&encryption=AES256&lock-days=30';
  expect(openTarget(`s3://bucket/a/b/?${options}`)).toBeInstanceOf(S3Target);
  expect(openTarget('sftp://fathom@backup.example.com:2222/~/backups?key=/etc/fathom/key')).toBeInstanceOf(
    SftpTarget,
  );
});

it.each([
  '',
  'backups',
  'http://example.com',
  's3://',
  's3://key@bucket/a',
  's3://bucket?endpiont=http://127.0.0.1',
  's3://bucket?endpoint=127.0.0.1:9000',
  's3://bucket?encryption=rot13',
  's3://bucket?lock-days=0',
  'sftp://backup.example.com/a',
  'sftp://fathom@backup.example.com/',
  'sftp://fathom@backup.example.com/a?password=x',
])('refuses %j', (text) => {
  expect(() => openTarget(text)).toThrow(BackupProblem);
});

it('does not repeat a password', () => {
  for (const text of ['sftp://fathom:the-secret@example.com/a', 's3://key:the-secret@bucket/a']) {
    expect(() => openTarget(text)).toThrow(/^(?!.*the-secret).*password/);
  }
});
