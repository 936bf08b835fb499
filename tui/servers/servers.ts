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

/** The saved profiles, and the health of their daemons while the screen Servers is shown. */
export class Servers {
  readonly state: Observable<ServersState>;
  readonly #open: () => Promise<ProfileFiles>;
  #timer: NodeJS.Timeout | undefined;

  constructor(open: () => Promise<ProfileFiles>, current: string | null) {
    this.#open = open;
    this.state = new Observable<ServersState>({ ...UNKNOWN_SERVERS, current });
  }

  /** Starts or stops checking the daemons regularly. */
  watch(isShown: boolean): void {
    if (isShown === (this.#timer !== undefined)) return;
    clearInterval(this.#timer);
    this.#timer = isShown ? setInterval(() => void this.#checkAll(), POLL_MS) : undefined;
    if (isShown) void this.#load();
  }

  /**
   * @param before name of the profile that is replaced; null for a new one
   * @throws Error with a sentence
   */
  async save(input: ProfileInput, before: string | null): Promise<Profile> {
    const files = await this.#open();
    const profile = checkProfile(input, files.profiles, before);
    files.profiles = withProfile(files.profiles, profile, before);
    this.#show(files);
    const { current } = this.state.get();
    if (before !== null && current === before)
      this.state.update((state) => ({ ...state, current: profile.name }));
    void this.#check(profile);
    return profile;
  }

  /**
   * Removes a profile, and its saved session unless another profile has the same address.
   *
   * @throws Error with a sentence
   */
  async remove(name: string): Promise<void> {
    const files = await this.#open();
    const removed = files.profiles.find((profile) => profile.name === name);
    files.profiles = files.profiles.filter((profile) => profile.name !== name);
    if (removed !== undefined && files.profiles.every(({ address }) => address !== removed.address)) {
      files.deleteSession(removed.address);
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
    await Promise.all(this.state.get().profiles.map((profile) => this.#check(profile)));
  }

  async #check(profile: Profile): Promise<void> {
    const health = await healthOf(profile);
    this.state.update((state) => ({ ...state, health: { ...state.health, [profile.address]: health } }));
  }
}

async function healthOf(profile: Profile): Promise<ServerState> {
  try {
    const { createClient } = await import('../../shared/client/fathom-client.ts');
    const client = createClient({ target: targetOfProfile(profile), timeoutMs: TIMEOUT_MS });
    const startedAt = performance.now();
    await client.daemon.health();
    return { kind: 'live', latency_ms: performance.now() - startedAt };
  } catch (error) {
    return { kind: 'unreachable', why: sanitise(messageOf(error)) };
  }
}
