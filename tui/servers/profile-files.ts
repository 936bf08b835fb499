import { mkdirSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import type Conf from 'conf';
import type { Profile } from '../store/servers/profile.ts';

/** A session that the user saved. Stored by the address of its daemon, so that it is never sent to another one. */
export interface SavedSession {
  token: string;
  /** RFC 3339. */
  expires_at: string;
}

interface ProfilesFile {
  profiles: readonly Profile[];
}

interface SessionsFile {
  sessions: Readonly<Record<string, SavedSession>>;
}

/** The user's settings of the console: profiles in one file, tokens in another. Only the user can read them. */
export class ProfileFiles {
  readonly #profiles: Conf<ProfilesFile>;
  readonly #sessions: Conf<SessionsFile>;

  private constructor(profiles: Conf<ProfilesFile>, sessions: Conf<SessionsFile>) {
    this.#profiles = profiles;
    this.#sessions = sessions;
  }

  /** Loads the settings library only when it is needed. @throws Error with a sentence */
  static async open(env: NodeJS.ProcessEnv): Promise<ProfileFiles> {
    const folder = settingsFolder(env);
    const { default: Settings } = await import('conf');
    const settings = { cwd: folder, configFileMode: 0o600, accessPropertiesByDotNotation: false };
    try {
      mkdirSync(folder, { recursive: true, mode: 0o700 });
      return new ProfileFiles(
        new Settings<ProfilesFile>({ ...settings, configName: 'console', defaults: { profiles: [] } }),
        new Settings<SessionsFile>({ ...settings, configName: 'console-tokens', defaults: { sessions: {} } }),
      );
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error);
      throw new Error(`cannot use the settings in ${folder}: ${why}. Repair or remove the files.`, {
        cause: error,
      });
    }
  }

  get profiles(): readonly Profile[] {
    return this.#profiles.get('profiles');
  }

  set profiles(profiles: readonly Profile[]) {
    this.#profiles.set('profiles', profiles);
  }

  session(address: string): SavedSession | null {
    return this.#sessions.get('sessions')[address] ?? null;
  }

  saveSession(address: string, session: SavedSession): void {
    this.#sessions.set('sessions', { ...this.#sessions.get('sessions'), [address]: session });
  }

  deleteSession(address: string): void {
    const { [address]: _, ...others } = this.#sessions.get('sessions');
    this.#sessions.set('sessions', others);
  }
}

/** Opens the settings once, on the first call; again if that failed. */
export function lazySettings(env: NodeJS.ProcessEnv): () => Promise<ProfileFiles> {
  let opened: Promise<ProfileFiles> | null = null;
  return () =>
    (opened ??= ProfileFiles.open(env).catch((error: unknown) => {
      opened = null;
      throw error;
    }));
}

/** According to the XDG Base Directory Specification. */
function settingsFolder(env: NodeJS.ProcessEnv): string {
  return join(env['XDG_CONFIG_HOME'] || join(env['HOME'] || homedir(), '.config'), 'fathom');
}
