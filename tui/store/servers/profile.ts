import type { Target } from '../../../shared/client/http.ts';
import { THEME_NAMES, type ThemeName } from '../../theme.ts';
import { checkedUrl } from './target.ts';

/** A daemon that the administrator gave a name. */
export interface Profile {
  name: string;
  /** Of the daemon: `http(s)://…`, or the path of its socket. */
  address: string;
  /** Null for what the terminal tells. */
  theme: ThemeName | null;
}

/** What is typed about one; all text. */
export interface ProfileInput {
  name: string;
  address: string;
  theme: string;
}

export function targetOfProfile({ address }: Pick<Profile, 'address'>): Target {
  return address.startsWith('/') ? { socketPath: address } : { url: address };
}

/**
 * The profile that was meant; `before` is the name of the one that it replaces.
 * @throws Error with a sentence
 */
export function checkProfile(
  input: ProfileInput,
  others: readonly Profile[],
  before: string | null,
): Profile {
  const name = input.name.trim();
  if (!/^[\w.-]{1,32}$/.test(name)) {
    throw new Error('the name: up to 32 letters, digits, dots, dashes and underscores');
  }
  if (name !== before && others.some((other) => other.name === name)) {
    throw new Error(`there is a server called ${name} already: choose another name`);
  }
  const theme = THEME_NAMES.find((one) => one === input.theme) ?? null;
  return { name, address: checkedAddress(input.address.trim()), theme };
}

function checkedAddress(address: string): string {
  if (address === '')
    throw new Error('the address: a URL like https://fathom.example, or the path of a socket');
  return address.startsWith('/') ? address : checkedUrl('the address', address).replace(/\/$/, '');
}

/** The list with one added, or in the place of the one that it replaces; by name. */
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
