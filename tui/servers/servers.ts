import { messageOf } from '../../shared/errors.ts';
import { Observable } from '../store/observable.ts';
import {
  checkProfile,
  type Profile,
  type ProfileInput,
  type ServerState,
  type ServersState,
  targetOfProfile,
  UNKNOWN_SERVERS,
  withProfile,
} from '../store/servers/profile.ts';
import { sanitise } from '../store/text/sanitise.ts';
import type { ProfileFiles } from './profile-files.ts';

const POLL_MS = 5_000;
const TIMEOUT_MS = 3_000;

/** The profiles, and how their daemons are while somebody looks. */
export class Servers {
  readonly state: Observable<ServersState>;
  readonly #open: () => Promise<ProfileFiles>;
  #timer: NodeJS.Timeout | undefined;

  constructor(open: () => Promise<ProfileFiles>, current: string | null) {
    this.#open = open;
    this.state = new Observable<ServersState>({ ...UNKNOWN_SERVERS, current });
  }

  /** Asks all of them now and then, or no longer. */
  watch(looking: boolean): void {
    if (looking === (this.#timer !== undefined)) return;
    clearInterval(this.#timer);
    this.#timer = looking ? setInterval(() => void this.#checkAll(), POLL_MS) : undefined;
    if (looking) void this.#load();
  }

  /** `before` is the one that it replaces. @throws Error with a sentence */
  async save(input: ProfileInput, before: string | null): Promise<Profile> {
    const files = await this.#open();
    const profile = checkProfile(input, files.profiles, before);
    files.profiles = withProfile(files.profiles, profile, before);
    this.#show(files);
    const { current } = this.state.get();
    if (before !== null && current === before)
      this.state.update((state) => ({ ...state, current: profile.name }));
    void this.#ask(profile);
    return profile;
  }

  /** With what was kept of signing in to it, unless another profile has the same address. @throws Error with a sentence */
  async remove(name: string): Promise<void> {
    const files = await this.#open();
    const gone = files.profiles.find((profile) => profile.name === name);
    files.profiles = files.profiles.filter((profile) => profile.name !== name);
    if (gone !== undefined && files.profiles.every(({ address }) => address !== gone.address)) {
      files.deleteSession(gone.address);
    }
    this.#show(files);
  }

  async #load(): Promise<void> {
    try {
      this.#show(await this.#open());
    } catch (error) {
      this.state.update((state) => ({ ...state, problem: messageOf(error) }));
      return;
    }
    await this.#checkAll();
  }

  #show({ profiles }: ProfileFiles): void {
    this.state.update((state) => ({ ...state, profiles, problem: null }));
  }

  async #checkAll(): Promise<void> {
    await Promise.all(this.state.get().profiles.map((profile) => this.#ask(profile)));
  }

  async #ask(profile: Profile): Promise<void> {
    const answer = await healthOf(profile);
    this.state.update((state) => ({ ...state, health: { ...state.health, [profile.address]: answer } }));
  }
}

async function healthOf(profile: Profile): Promise<ServerState> {
  try {
    const { createClient } = await import('../../shared/client/fathom-client.ts');
    const client = createClient({ target: targetOfProfile(profile), timeoutMs: TIMEOUT_MS });
    const asked = performance.now();
    await client.daemon.health();
    return { kind: 'live', latency_ms: performance.now() - asked };
  } catch (error) {
    return { kind: 'unreachable', why: sanitise(messageOf(error)) };
  }
}
