import { expect, it } from 'vitest';
import { remedyOf, shortenError } from './litestream-error.ts';

const s3Error = (status: number, error: string) =>
  `sync error: get replica position: operation error S3: ListObjectsV2, https response error StatusCode: ${status}, RequestID: LL4V90O8zgz5X96X, HostID: 9Gjjt1m+cjU4OPvX9O9/8Rux2o5H5MY7ISNTlXN+D=, ${error}`;

it('names the cause of an error of S3 without the ids of the request', () => {
  const text = s3Error(403, `api error InvalidAccessKeyId: The key does not exist. ${'x'.repeat(400)}`);
  expect(shortenError(text)).toHaveLength(300);
  expect(shortenError(text)).toContain('S3: ListObjectsV2, 403 InvalidAccessKeyId: The key does not exist.');
});

it.each([
  [s3Error(403, 'api error InvalidAccessKeyId: x'), 'AWS_ACCESS_KEY_ID'],
  [s3Error(403, 'api error SignatureDoesNotMatch: x'), 'AWS_SECRET_ACCESS_KEY'],
  [s3Error(404, 'NoSuchBucket: The specified bucket does not exist'), 'create the bucket'],
  ['monitor error: write /mnt/replica/a.ltx.tmp: no space left on device', 'free space'],
])('has a remedy for %s', (error, remedy) => {
  expect(remedyOf(error)).toContain(remedy);
});

it('has none for other errors', () => {
  expect(remedyOf('sync error: dial tcp 127.0.0.1:1: connect: connection refused')).toBeNull();
});
