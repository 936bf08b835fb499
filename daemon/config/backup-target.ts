/** Options of a target by kind. */
const OPTIONS = {
  's3:': ['endpoint', 'region', 'encryption', 'encryption-key', 'lock-days'],
  'sftp:': ['key', 'known-hosts'],
} as const;

export const TARGET_ENCRYPTIONS = ['AES256', 'aws:kms'] as const;

/** What is wrong with the URL of a backup target, without its secrets. Null for a valid one. Connects to nothing. */
export function findTargetProblem(text: string): string | null {
  const url = URL.canParse(text) ? new URL(text) : null;
  if (url?.protocol !== 's3:' && url?.protocol !== 'sftp:')
    return 'use the absolute path of a directory, s3://BUCKET/PREFIX or sftp://USER@HOST/PATH';
  if (url.password !== '') return 'the URL has a password; use the environment or a key file instead';
  const known: readonly string[] = OPTIONS[url.protocol];
  const unknown = [...url.searchParams.keys()].find((name) => !known.includes(name));
  if (unknown !== undefined) return `'${unknown}' is no option; the options are ${known.join(', ')}`;
  return url.protocol === 's3:' ? findS3Problem(url) : findSftpProblem(url);
}

function findS3Problem({ hostname, username, searchParams }: URL): string | null {
  const [encryption, lockDays, endpoint] = ['encryption', 'lock-days', 'endpoint'].map((name) =>
    searchParams.get(name),
  );
  if (hostname === '' || username !== '') return 'write it as s3://BUCKET/PREFIX';
  if (typeof encryption === 'string' && !TARGET_ENCRYPTIONS.some((one) => one === encryption))
    return `encryption is ${TARGET_ENCRYPTIONS.join(' or ')}`;
  if (typeof lockDays === 'string' && !/^[1-9]\d{0,4}$/.test(lockDays))
    return 'lock-days is a number of days';
  if (typeof endpoint === 'string' && !/^https?:\/\//.test(endpoint)) return 'endpoint is an HTTP URL';
  return null;
}

function findSftpProblem({ hostname, username, pathname }: URL): string | null {
  if (hostname !== '' && username !== '' && pathname.length >= 2) return null;
  return 'write it as sftp://USER@HOST/PATH, or sftp://USER@HOST/~/PATH below the home directory';
}
