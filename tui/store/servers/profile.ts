import type { Target } from '../../../shared/client/http.ts';
import { THEME_NAMES, type ThemeName } from '../../theme.ts';
import { checkedUrl } from './target.ts';

/** A saved server: a daemon with a name. */
export interface Profile {
  name: string;
  /** `http(s)://…`, or the path of the socket. */
  address: string;
  /** Null to detect it from the terminal. */
  theme: ThemeName | null;
}

/** The fields of the form for a profile. */
export interface ProfileInput {
  name: string;
  address: string;
  theme: string;
}

export function targetOfProfile({ address }: Pick<Profile, 'address'>): Target {
  return address.startsWith('/') ? { socketPath: address } : { url: address };
}

/**
 * Validates the input.
 *
 * @param before name of the profile that is replaced; null for a new one
 * @throws Error with a sentence
 */
export function checkProfile(
  input: ProfileInput,
  others: readonly Profile[],
  before: string | null,
): Profile {
  const name = input.name.trim();
  if (!/^[\w.-]{1,32}$/.test(name)) {
    throw new Error('name: use up to 32 letters, digits, dots, dashes or underscores');
  }
  if (name !== before && others.some((other) => other.name === name)) {
    throw new Error(`a server with the name ${name} exists: choose another name`);
  }
  const theme = THEME_NAMES.find((one) => one === input.theme) ?? null;
  return { name, address: checkedAddress(input.address.trim()), theme };
}

function checkedAddress(address: string): string {
  if (address === '')
    throw new Error('the address must be a URL like https://fathom.example, or the path of a socket');
  return address.startsWith('/') ? address : checkedUrl('the address', address).replace(/\/$/, '');
}

/** Adds a profile to the list, or replaces the one named `before`. Sorted by name. */
export function withProfile(
  profiles: readonly Profile[],
  profile: Profile,
  before: string | null,
): readonly Profile[] {
  return [...profiles.filter(({ name }) => name !== before && name !== profile.name), profile].toSorted(
    (a, b) => (a.name < b.name ? -1 : 1),
  );
}

export type ServerState = { kind: 'live'; latency_ms: number } | { kind: 'unreachable'; why: string };

/** The state of the screen Servers. */
export interface ServersState {
  profiles: readonly Profile[];
  /** By address; missing until the first check ended. */
  health: Readonly<Record<string, ServerState>>;
  /** Name of the profile that this console uses, if any. */
  current: string | null;
  /** Why the settings cannot be read. */
  problem: string | null;
}

export const UNKNOWN_SERVERS: ServersState = { profiles: [], health: {}, current: null, problem: null };
