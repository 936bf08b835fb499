export const UNAVAILABLE_STATUS = 503;

/** Why a database has no process that answers. */
export interface Unavailable {
  code: string;
  /** For the clients of the database. */
  message: string;
  /** When to try again, in seconds; null when an administrator has to act first. */
  retryAfterS: number | null;
}

/** Whether a response comes from the holder of the socket, because no process of the database answers. */
export function isUnavailableResponse(status: number, body: unknown): boolean {
  const { data } = (body ?? {}) as { data?: { database?: unknown } };
  return status === UNAVAILABLE_STATUS && data?.database !== undefined;
}

/** For clients. It contains no details of the host: those are for administrators. */
export const CANNOT_START = 'The database cannot be started. Its administrator sees the reason.';

/** The answer while the reason is not known. */
export const STARTING: Unavailable = {
  code: 'starting',
  message: 'The database is starting. Try again later.',
  retryAfterS: 10,
};
