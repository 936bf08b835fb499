import type { Session as ApiSession } from '../../shared/api/accounts/auth.ts';
import type { Problem } from '../../shared/api/contract/endpoint.ts';
import type { LifecycleInstance } from '../../shared/api/lifecycle.ts';

/** A session of a user who has a database. */
export type Session = ApiSession & { database: { url: string; port: number; token: string } };

export interface Answer<T> {
  status: number;
  headers: Headers;
  body: T;
}

export interface CallOptions {
  token?: string | undefined;
  /** Sent as JSON, or as it is when it is a string. */
  body?: unknown;
  headers?: Record<string, string>;
}

/** One request as any HTTP client would make it, without Fathom's own. */
export async function call<T = Problem>(
  method: string,
  url: string,
  { token, body, headers = {} }: CallOptions = {},
): Promise<Answer<T>> {
  const response = await fetch(url, {
    method,
    headers: {
      ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      ...headers,
    },
    ...(body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
  });
  const text = await response.text();
  const isJson = /json/.test(response.headers.get('content-type') ?? '');
  return {
    status: response.status,
    headers: response.headers,
    body: (isJson && text !== '' ? JSON.parse(text) : text) as T,
  };
}

export const PASSWORD = 'a-good-password';

export async function signUp(url: string, email: string): Promise<Session> {
  const { status, body } = await call<Session>('POST', `${url}/api/v1/auth/register`, {
    body: { email, password: PASSWORD },
  });
  if (status !== 201) throw new Error(`sign-up of ${email} answered ${status}: ${JSON.stringify(body)}`);
  return body;
}

export async function signIn(url: string, email: string, password = PASSWORD): Promise<Session> {
  const { status, body } = await call<Session>('POST', `${url}/api/v1/auth/login`, {
    body: { email, password },
  });
  if (status !== 200) throw new Error(`sign-in of ${email} answered ${status}: ${JSON.stringify(body)}`);
  return body;
}

/** Of a refresh of a token of a PocketBase: 200 as long as it is good. */
export async function refreshStatus(pocketBase: string, token: string): Promise<number> {
  const url = `${pocketBase}/api/collections/users/auth-refresh`;
  return (await call('POST', url, { headers: { authorization: token } })).status;
}

/** The form of the lifecycle API's answers, errors included. */
export interface LifecycleAnswer {
  success: boolean;
  message: string;
  instance: LifecycleInstance | null;
}
