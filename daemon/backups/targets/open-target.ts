import { homedir } from 'node:os';
import { isAbsolute, join } from 'node:path';
import { BackupProblem } from '../backup-problem.ts';
import { DirectoryTarget } from './directory-target.ts';
import { type S3Options, S3Target } from './s3-target.ts';
import { SftpTarget } from './sftp-target.ts';
import type { Target } from './target.ts';

const SSH_PORT = 22;
const CONNECT_TIMEOUT_MS = 10_000;
const REQUEST_TIMEOUT_MS = 60_000;
const S3_OPTIONS = ['endpoint', 'region', 'encryption', 'encryption-key', 'lock-days'] as const;
const SFTP_OPTIONS = ['key', 'known-hosts'] as const;
const ENCRYPTIONS = ['AES256', 'aws:kms'] as const;

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
  const url = URL.canParse(text) ? new URL(text) : null;
  if (url !== null && url.password !== '')
    throw new BackupProblem('BACKUP_TARGET has a password; use the environment or a key file instead');
  if (url?.protocol === 's3:') return openS3(url, s3Credentials);
  if (url?.protocol === 'sftp:') return openSftp(url);
  throw new BackupProblem(
    `'${text}' is no backup target; use the absolute path of a directory, s3://BUCKET/PREFIX or sftp://USER@HOST/PATH`,
  );
}

function openS3(url: URL, credentials: S3Options['credentials']): Target {
  const options = optionsOf(url, S3_OPTIONS);
  const algorithm = ENCRYPTIONS.find((known) => known === options.get('encryption'));
  const lockDays = options.get('lock-days');
  const endpoint = options.get('endpoint') ?? null;
  if (url.hostname === '' || url.username !== '') throw invalid(url, 'write it as s3://BUCKET/PREFIX');
  if (options.has('encryption') && algorithm === undefined)
    throw invalid(url, `encryption is ${ENCRYPTIONS.join(' or ')}`);
  if (lockDays !== undefined && !/^[1-9]\d{0,4}$/.test(lockDays))
    throw invalid(url, 'lock-days is a number of days');
  if (endpoint !== null && !/^https?:\/\//.test(endpoint)) throw invalid(url, 'endpoint is an HTTP URL');
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
  const options = optionsOf(url, SFTP_OPTIONS);
  const path = decodeURIComponent(url.pathname);
  if (url.hostname === '' || url.username === '' || path.length < 2)
    throw invalid(
      url,
      'write it as sftp://USER@HOST/PATH, or sftp://USER@HOST/~/PATH below the home directory',
    );
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

function optionsOf(url: URL, known: readonly string[]): Map<string, string> {
  const options = new Map(url.searchParams);
  const unknown = [...options.keys()].find((name) => !known.includes(name));
  if (unknown !== undefined)
    throw invalid(url, `'${unknown}' is no option; the options are ${known.join(', ')}`);
  return options;
}

function invalid({ protocol, host, pathname }: URL, why: string): BackupProblem {
  return new BackupProblem(`BACKUP_TARGET ${protocol}//${host}${pathname} is invalid: ${why}`);
}
