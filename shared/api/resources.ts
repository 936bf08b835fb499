import { apiKeys } from './accounts/api-keys.ts';
import { auth } from './accounts/auth.ts';
import { invitations } from './accounts/invitations.ts';
import { mails } from './accounts/mails.ts';
import { ownAccount } from './accounts/own-account.ts';
import { plans } from './accounts/plans.ts';
import { sessions } from './accounts/sessions.ts';
import { users } from './accounts/users.ts';
import { alerts } from './alerts.ts';
import { applications } from './applications.ts';
import { archiveDatabase } from './archive.ts';
import { audit } from './audit.ts';
import { backups } from './backups.ts';
import type { Endpoint, Method, Resource, Tag } from './contract/endpoint.ts';
import { daemon } from './daemon.ts';
import { databases as withFiles } from './databases.ts';
import { edge } from './edge.ts';
import { events } from './events.ts';
import { exports } from './exports.ts';
import { imports } from './imports.ts';
import { lifecycle } from './lifecycle.ts';
import { migrations } from './migrations.ts';
import { nodes } from './nodes.ts';
import { pocketbase } from './pocketbase.ts';
import { queue } from './queue.ts';
import { replicas } from './replicas.ts';
import { rollouts } from './rollouts.ts';
import { schedules } from './schedules.ts';
import { secrets } from './secrets.ts';
import { trash } from './trash.ts';
import { usage } from './usage.ts';
import { work } from './work/endpoints.ts';

const databases = { ...withFiles, archive: archiveDatabase };

/** Every resource of the HTTP API. The client, the OpenAPI document and docs/api.md derive from this list. */
export const RESOURCES = {
  auth,
  ownAccount,
  mails,
  users,
  invitations,
  plans,
  sessions,
  apiKeys,
  databases,
  trash,
  usage,
  backups,
  exports,
  imports,
  replicas,
  edge,
  events,
  migrations,
  applications,
  work,
  queue,
  rollouts,
  schedules,
  audit,
  secrets,
  pocketbase,
  alerts,
  nodes,
  daemon,
  lifecycle,
} satisfies Record<string, Resource>;

const METHODS: readonly Method[] = ['GET', 'POST', 'PUT', 'PATCH', 'DELETE'];

/** Every operation, resource by resource. */
export const ENDPOINTS: readonly Endpoint[] = Object.values<Resource>(RESOURCES).flatMap((resource) =>
  Object.values(resource).toSorted(byPath),
);

/** The tags of the operations, in the order of the resources. */
export const TAGS: readonly Tag[] = [...new Set(ENDPOINTS.map(({ tag }) => tag))];

function byPath(a: Endpoint, b: Endpoint): number {
  if (a.path !== b.path) return a.path < b.path ? -1 : 1;
  return METHODS.indexOf(a.method) - METHODS.indexOf(b.method);
}
