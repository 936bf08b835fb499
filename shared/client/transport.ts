import type { Method } from '../api/contract/endpoint.ts';

export interface RequestOptions {
  query?: Readonly<Record<string, string | number | boolean | undefined>> | undefined;
  body?: unknown;
  /** Aborting rejects with the signal's reason. */
  signal?: AbortSignal | undefined;
  timeoutMs?: number | undefined;
  /** Statuses from 400 whose body is returned instead of thrown. */
  resultStatuses?: readonly number[] | undefined;
  /** Type of a response that is text; JSON by default. */
  mediaType?: string | undefined;
}

/** Sends requests to one daemon. */
export interface Transport {
  /**
   * Returns undefined for an empty response. The response is not validated against `T`.
   * @throws ApiError the error response of the daemon; FathomError `daemon.unreachable` if no daemon answers
   */
  request<T>(method: Method, path: string, options?: RequestOptions): Promise<T>;
  /** Returns the body while it arrives. @throws as `request` */
  stream(method: Method, path: string, options?: RequestOptions): Promise<AsyncIterable<Uint8Array>>;
}
