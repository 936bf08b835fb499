import { resolve } from 'node:path';
import { findTargetProblem } from './backup-target.ts';
import { findDirectoryProblem } from './backups.ts';
import type { ValueReader } from './value-reader.ts';

export interface ReplicaConfig {
  /** An absolute path, or a URL of S3; null without replication. */
  target: string | null;
  /** Null for `litestream` in PATH. */
  binaryPath: string | null;
}

/** What Litestream understands of the options of S3. */
const OPTIONS = ['endpoint', 'region'];
/** Of a directory. They would end it in the URL of a replica. */
const UNSAFE = /[?#%]/;

export function readReplica(
  read: ValueReader,
  { dataDir, cwd }: { dataDir: string; cwd: string },
): ReplicaConfig {
  const value = read.text('REPLICA');
  const binaryPath = read.path('LITESTREAM_BINARY_PATH');
  if (value === null) return { target: null, binaryPath };
  const scheme = /^([a-z][a-z0-9+.-]*):/i.exec(value)?.[1]?.toLowerCase();
  if (scheme === undefined) {
    const target = resolve(cwd, value);
    const problem = findDirectoryProblem(dataDir, target);
    if (problem !== null) read.problem('REPLICA', problem);
    if (UNSAFE.test(target)) read.problem('REPLICA', "has one of '?', '#' and '%'; use another directory");
    return { target, binaryPath };
  }
  // The rest of the URL may contain a password.
  const problem =
    scheme === 's3'
      ? findS3Problem(value)
      : `'${scheme}:' is unknown; use the path of a directory, or s3://BUCKET/PREFIX`;
  if (problem !== null) read.problem('REPLICA', problem);
  return { target: value, binaryPath };
}

function findS3Problem(value: string): string | null {
  const problem = findTargetProblem(value);
  if (problem !== null) return problem;
  const other = [...new URL(value).searchParams.keys()].find((name) => !OPTIONS.includes(name));
  return other === undefined
    ? null
    : `'${other}' is no option of a replica; the options are ${OPTIONS.join(', ')}`;
}
