import { apiKeys } from './api-keys.ts';
import { audit } from './audit.ts';
import { auth } from './auth.ts';
import { daemon } from './daemon.ts';
import { databases } from './databases.ts';
import type { Endpoint, Method, Resource } from './endpoint.ts';
import { events } from './events.ts';
import { lifecycle } from './lifecycle.ts';
import { migrations } from './migrations.ts';
import { queue } from './queue.ts';
import { secrets } from './secrets.ts';
import { sessions } from './sessions.ts';
import { users } from './users.ts';

/** Every resource of the HTTP API. The client, the OpenAPI document and docs/api.md derive from this list. */
export const RESOURCES = {
  auth,
  users,
  sessions,
  apiKeys,
  databases,
  events,
  migrations,
  queue,
  audit,
  secrets,
  daemon,
  lifecycle,
} satisfies Record<string, Resource>;

const METHODS: readonly Method[] = ['GET', 'POST', 'PUT', 'PATCH', 'DELETE'];

/** Every operation, resource by resource. */
export const ENDPOINTS: readonly Endpoint[] = Object.values<Resource>(RESOURCES).flatMap((resource) =>
  Object.values(resource).toSorted(byPath),
);

function byPath(a: Endpoint, b: Endpoint): number {
  if (a.path !== b.path) return a.path < b.path ? -1 : 1;
  return METHODS.indexOf(a.method) - METHODS.indexOf(b.method);
}
