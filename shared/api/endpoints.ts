import * as apiKeys from './api-keys.ts';
import * as audit from './audit.ts';
import * as auth from './auth.ts';
import * as daemon from './daemon.ts';
import * as databases from './databases.ts';
import type { Endpoint, Method } from './endpoint.ts';
import * as host from './host.ts';
import * as lifecycle from './lifecycle.ts';
import * as migrations from './migrations.ts';
import * as queue from './queue.ts';
import * as secrets from './secrets.ts';
import * as sessions from './sessions.ts';
import * as users from './users.ts';

const METHODS: readonly Method[] = ['GET', 'POST', 'PUT', 'PATCH', 'DELETE'];

/** Every operation of the HTTP API, resource by resource. */
export const ENDPOINTS: readonly Endpoint[] = [
  auth,
  users,
  sessions,
  apiKeys,
  databases,
  migrations,
  queue,
  audit,
  secrets,
  daemon,
  host,
  lifecycle,
].flatMap((resource) => Object.values<unknown>(resource).filter(isEndpoint).toSorted(byPath));

function isEndpoint(value: unknown): value is Endpoint {
  return typeof value === 'object' && value !== null && 'operationId' in value;
}

function byPath(a: Endpoint, b: Endpoint): number {
  if (a.path !== b.path) return a.path < b.path ? -1 : 1;
  return METHODS.indexOf(a.method) - METHODS.indexOf(b.method);
}
