import { messageOf } from '../../shared/errors.ts';

/** Ids of a request to S3 are longer than the cause, which comes after them. */
const REQUEST =
  /(?:https response error )?StatusCode: (\d+), RequestID: [^,]*, HostID: [^,]*, (?:api error )?/g;
const MAX_SHOWN = 300;

const REMEDIES: readonly (readonly [RegExp, string])[] = [
  [
    /InvalidAccessKeyId|SignatureDoesNotMatch|AccessDenied|get credentials/,
    'correct AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or their permissions for the bucket, then restart the daemon',
  ],
  [/NoSuchBucket/, 'create the bucket, or correct REPLICA and restart the daemon'],
  [/no space left on device|disk quota exceeded/, 'free space on the disk that the message names'],
];

/** What an error of Litestream says, without what only the server of S3 knows. */
export function shortenError(text: string): string {
  return text.replace(REQUEST, '$1 ').slice(0, MAX_SHOWN);
}

/** What to do about an error of a target; null for an error without a remedy of its own. */
export function remedyOf(error: string): string | null {
  return REMEDIES.find(([pattern]) => pattern.test(error))?.[1] ?? null;
}

/** What a command of Litestream has written before it failed. */
export function outputOf(error: unknown): string {
  const { stderr = '' } = error as { stderr?: string };
  return stderr.trim() || messageOf(error);
}

/** The cause in the output of a command, which is in its last line, and what to do about it. */
export function describeFailure(output: string): string {
  const cause = shortenError((output.split('\n').at(-1) ?? '').replace(/^Error: /, ''));
  const remedy = remedyOf(cause);
  return remedy === null ? cause : `${cause}; ${remedy}`;
}
