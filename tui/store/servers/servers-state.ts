import type { Profile } from './profile.ts';

export type ServerState = { kind: 'live'; latency_ms: number } | { kind: 'unreachable'; why: string };

/** The daemons that this administrator knows, for the screen of that name. */
export interface ServersState {
  profiles: readonly Profile[];
  /** By address; missing while nobody has answered. */
  health: Readonly<Record<string, ServerState>>;
  /** Name of the profile that this console was opened with, if any. */
  current: string | null;
  /** Why the settings cannot be read. */
  problem: string | null;
}

export const UNKNOWN_SERVERS: ServersState = { profiles: [], health: {}, current: null, problem: null };
