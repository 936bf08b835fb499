import type { Instance } from '../../../shared/api/instances.ts';
import type { DatabaseRow } from '../../../shared/hooks/control-plane-routes.ts';
import type { InstancePhase } from '../../../shared/instance.ts';
import type { TokenSource } from '../../keys/instance-access.ts';
import { dataDirOf, type InstanceSpec } from '../../supervisor/instance-spec.ts';
import type { OtherNode } from './fleet-share.ts';

/** What a list of databases sorts and filters by, without the view of each. */
export interface Listed {
  spec: Pick<InstanceSpec, 'name' | 'email' | 'createdAt'>;
  state: {
    phase: InstancePhase;
    since: Date;
    observed: { port: number | null; restarts: number };
    view(): Instance;
  };
}

/** The part of an instance that its row says. */
export type SpecElsewhere = Pick<
  InstanceSpec,
  | 'name'
  | 'email'
  | 'createdAt'
  | 'directory'
  | 'pinnedVersion'
  | 'binary'
  | 'limits'
  | 'isDeveloper'
  | 'access'
  | 'applications'
>;

/** A database that another node runs. */
export interface DatabaseElsewhere {
  row: DatabaseRow;
  other: OtherNode;
  spec: SpecElsewhere;
  /** For clients. */
  urlOf: (port: number, address: string) => string;
  superuserToken: TokenSource;
}

/** A database that another node runs, as its row and its route show it. A sleeping one counts as running: its route is open. */
export function listElsewhere(database: DatabaseElsewhere, since: Date): Listed {
  const { spec } = database;
  const port = portOf(database);
  const phase = phaseOf(database);
  return {
    spec,
    state: { phase, since, observed: { port, restarts: 0 }, view: () => viewOf(database, since) },
  };
}

export function phaseOf({ row, other }: Pick<DatabaseElsewhere, 'row' | 'other'>): InstancePhase {
  const route = other.route();
  if (route === null) return row.desired === 'running' ? 'starting' : 'stopped';
  if (route.state === 'open') return 'running';
  return route.state === 'failed' ? 'failed' : 'stopped';
}

function portOf({ row, other }: DatabaseElsewhere): number | null {
  const route = other.route();
  return route?.state === 'open' ? route.port : row.port || null;
}

function viewOf(database: DatabaseElsewhere, since: Date): Instance {
  const { row, other, spec, urlOf } = database;
  const route = other.route();
  return {
    name: row.name,
    kind: 'user',
    user_id: row.user,
    email: spec.email,
    phase: phaseOf(database),
    since: since.toISOString(),
    // The row can be a minute old.
    desired: route?.state === 'closed' ? 'stopped' : route?.state === 'open' ? 'running' : row.desired,
    reason: null,
    port: portOf(database),
    moved: null,
    url: route?.state === 'open' ? urlOf(route.port, route.address) : null,
    pid: null,
    started_at: null,
    restarts: 0,
    run: null,
    attempt: 0,
    max_attempts: null,
    next_attempt_at: null,
    last_exit: null,
    crashes: null,
    created_at: spec.createdAt,
    db_path: dataDirOf(spec.directory),
    pocketbase_version: spec.binary.version,
    pinned_version: spec.pinnedVersion,
    probe: null,
    usage: null,
    limits: spec.limits(),
    developer: spec.isDeveloper(),
    access: spec.access(),
    applications: spec.applications(),
    sandbox: null,
    node: other.node,
  };
}
