import { z } from 'zod';
import type { Entry } from '../coordinator.ts';
import { parseEntry } from '../records.ts';

/** Name of the route to the API. Its owner is that of the control plane. */
export const API_ROUTE = 'api';

/** Of all databases of one fleet, its control plane and its API. */
export const routesOf = (fleet: string) => `routes/${fleet}/`;

/**
 * Where requests for a name go, written by the node that owns it. It counts only with the owner and epoch of the owner's record.
 * With a fence it ends with the session of the node. An owned name without a route is moving: it serves again soon.
 */
const routeSchema = z.object({
  node: z.string(),
  epoch: z.int(),
  address: z.string(),
  port: z.int().min(1).max(65_535).nullable(),
  /** `closed`: it does not serve until an administrator or an owner does something. `deleted`: it never will. */
  state: z.enum(['open', 'closed', 'deleted']),
  /** It is closed because it has failed. Nodes of earlier releases do not say so. */
  failed: z.boolean().optional(),
});

export type RouteRecord = z.infer<typeof routeSchema>;

/** What a node says of a name that it owns. */
export type Target =
  | { state: 'open'; port: number }
  | { state: 'closed'; failed?: true }
  | { state: 'deleted' }
  | { state: 'moving' };

export const parseRoute = (entry: Entry): RouteRecord => parseEntry(entry, routeSchema);
