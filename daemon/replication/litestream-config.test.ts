import { expect, it } from 'vitest';
import { isTestedVersion } from './litestream-binary.ts';
import { litestreamConfig, replicaPath, replicaUrl } from './litestream-config.ts';

it.each([
  ['/mnt/replica', 'file:///mnt/replica/HOST/db'],
  ['/mnt/replica/', 'file:///mnt/replica/HOST/db'],
  ['s3://bucket', 's3://bucket/HOST/db?region=us-east-1'],
  [
    's3://bucket/a/?endpoint=http://127.0.0.1:9000&region=eu',
    's3://bucket/a/HOST/db?endpoint=http://127.0.0.1:9000&region=eu',
  ],
])('writes the replica of a database below %s', (target, url) => {
  expect(replicaUrl(target, replicaPath('HOST', 'db'))).toBe(url);
});

it('accepts tested versions only', () => {
  const versions = ['0.3.13', '0.5.16', '0.5.17', '0.5.20', '0.6.0', '1.5.17', '0.5.17-beta', ''];
  expect(versions.filter(isTestedVersion)).toEqual(['0.5.17', '0.5.20']);
});

it('has a configuration without databases and secrets', () => {
  const config = JSON.parse(litestreamConfig('run/litestream.sock')) as object;
  expect(config).toMatchObject({ dbs: [], socket: { path: 'run/litestream.sock', permissions: 0o600 } });
  expect(JSON.stringify(config)).not.toMatch(/key|secret|password/i);
});
