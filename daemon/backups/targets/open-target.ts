import { homedir } from 'node:os';
import { isAbsolute, join } from 'node:path';
import { findTargetProblem, TARGET_ENCRYPTIONS } from '../../config/backup-target.ts';
import { BackupProblem } from '../backup-problem.ts';
import { DirectoryTarget } from './directory-target.ts';
import { type S3Options, S3Target } from './s3-target.ts';
import { SftpTarget } from './sftp-target.ts';
import type { Target } from './target.ts';

const SSH_PORT = 22;
const CONNECT_TIMEOUT_MS = 10_000;
const REQUEST_TIMEOUT_MS = 60_000;

/** Without them, they come from the places that the client of AWS knows. */
export interface TargetSecrets {
  s3Credentials?: S3Options['credentials'];
}

/**
 * Opens BACKUP_TARGET. Connects to nothing yet.
 *
 * @param text an absolute path, `s3://bucket/prefix?endpoint=…&region=…`, or `sftp://user@host/path?key=…`
 * @throws BackupProblem
 */
export function openTarget(text: string, { s3Credentials = null }: TargetSecrets = {}): Target {
  if (isAbsolute(text)) return new DirectoryTarget(text);
  const problem = findTargetProblem(text);
  if (problem !== null) throw new BackupProblem(`BACKUP_TARGET is invalid: ${problem}`);
  const url = new URL(text);
  return url.protocol === 's3:' ? openS3(url, s3Credentials) : openSftp(url);
}

function openS3(url: URL, credentials: S3Options['credentials']): Target {
  const options = new Map(url.searchParams);
  const algorithm = TARGET_ENCRYPTIONS.find((known) => known === options.get('encryption'));
  const lockDays = options.get('lock-days');
  const endpoint = options.get('endpoint') ?? null;
  const path = decodeURIComponent(url.pathname).replaceAll(/^\/+|\/+$/g, '');
  return new S3Target({
    bucket: url.hostname,
    prefix: path === '' ? '' : `${path}/`,
    endpoint,
    region: options.get('region') ?? 'us-east-1',
    encryption: algorithm === undefined ? null : { algorithm, keyId: options.get('encryption-key') ?? null },
    lockDays: lockDays === undefined ? null : Number(lockDays),
    credentials,
    connectTimeoutMs: CONNECT_TIMEOUT_MS,
    idleTimeoutMs: REQUEST_TIMEOUT_MS,
  });
}

function openSftp(url: URL): Target {
  const options = new Map(url.searchParams);
  const path = decodeURIComponent(url.pathname);
  const knownHosts = options.get('known-hosts');
  return new SftpTarget({
    user: decodeURIComponent(url.username),
    host: url.hostname.replaceAll(/^\[|\]$/g, ''),
    port: url.port === '' ? SSH_PORT : Number(url.port),
    directory: path.startsWith('/~/') ? path.slice('/~/'.length) : path,
    keyFile: options.get('key') ?? join(homedir(), '.ssh', 'id_ed25519'),
    knownHosts: knownHosts === undefined ? defaultKnownHosts() : [knownHosts],
    connectTimeoutMs: CONNECT_TIMEOUT_MS,
    requestTimeoutMs: REQUEST_TIMEOUT_MS,
  });
}

function defaultKnownHosts(): string[] {
  return [join(homedir(), '.ssh', 'known_hosts'), '/etc/ssh/ssh_known_hosts'];
}
