/**
 * The state of the connection to a daemon.
 *
 *   connecting ──▶ live ──▶ stale ──▶ live …      (without end)
 *        │          │         │
 *        └──────────┴─────────┴──▶ refused | closed   (final)
 *
 * `live`: every subscribed topic has its snapshot. Times are milliseconds since 1970.
 */
export type LinkState =
  | { kind: 'connecting' }
  | { kind: 'live'; since: number }
  /** `attempt`: number of attempts since the connection was lost. `next_attempt_at`: null during an attempt. */
  | { kind: 'stale'; since: number; attempt: number; next_attempt_at: number | null; reason: string }
  /** A retry cannot help; `reason` says what to do. `signIn`: a new token would help. */
  | { kind: 'refused'; reason: string; signIn: boolean }
  | { kind: 'closed' };

/** Why a connection ended, and whether to retry. */
export interface Ending {
  final: boolean;
  reason: string;
  /** Final, but a new token would help. */
  signIn?: boolean;
}

const CLOSE_REASONS: Readonly<Record<number, string>> = {
  1001: 'the daemon is stopping',
  1006: 'the connection broke',
  1008: 'the daemon ended the session',
  1009: 'a frame was too large for the daemon',
  1011: 'the daemon had an internal error',
  1012: 'the daemon restarts',
  1013: 'this client read too slowly, or the daemon is busy',
};

export function endingOfClose(code: number, reason: string): Ending {
  const known = CLOSE_REASONS[code] ?? `the connection was closed (${code})`;
  return { final: false, reason: reason === '' ? known : reason };
}

/** The meaning of an HTTP response to a WebSocket request. `hasToken`: the request had a token. */
export function endingOfStatus(status: number, hasToken: boolean): Ending {
  switch (status) {
    case 401:
      return {
        final: true,
        signIn: true,
        reason: hasToken
          ? 'the daemon refused the token (401): it is wrong or has expired; sign in again, or set FATHOM_TOKEN'
          : 'authentication required (401): sign in, set FATHOM_TOKEN, or connect through the local socket',
      };
    case 403:
      return { final: true, reason: 'this token may not watch the fleet (403): use one of an administrator' };
    case 404:
      return { final: false, reason: 'no Fathom daemon at this address (404)' };
    case 426:
      return versionRefusal();
    case 503:
      return { final: false, reason: 'the daemon is starting (503)' };
    default:
      return { final: false, reason: `the daemon answered ${status}` };
  }
}

export function versionRefusal(): Ending {
  return {
    final: true,
    reason:
      'the daemon uses another version of the protocol: install the same release of Fathom on both sides',
  };
}

const ERRNO_REASONS: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'no daemon listens there (connection refused)',
  ENOENT: 'there is no daemon socket',
  EACCES: 'the daemon socket may not be opened by this user (permission denied)',
  EPERM: 'the daemon socket may not be opened by this user (permission denied)',
  ECONNRESET: 'the connection broke',
  EPIPE: 'the connection broke',
  ETIMEDOUT: 'the host does not answer',
  EHOSTUNREACH: 'the host cannot be reached',
  ENETUNREACH: 'the network cannot be reached',
  ENOTFOUND: 'the host name is unknown',
  EAI_AGAIN: 'the host name cannot be looked up now',
};

export function endingOfError(error: Error): Ending {
  if (/subprotocol/i.test(error.message)) return versionRefusal();
  const code = 'code' in error && typeof error.code === 'string' ? error.code : '';
  return { final: false, reason: ERRNO_REASONS[code] ?? error.message };
}
