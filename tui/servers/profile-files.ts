import { mkdirSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import type Conf from 'conf';
import type { Profile } from '../store/servers/profile.ts';

/** What was kept of a sign-in: under the address that gave it, so that it is never sent to another. */
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

/** The administrator's own settings of the console: profiles in one file, tokens in another, both readable by nobody else. */
export class ProfileFiles {
  readonly #profiles: Conf<ProfilesFile>;
  readonly #sessions: Conf<SessionsFile>;

  private constructor(profiles: Conf<ProfilesFile>, sessions: Conf<SessionsFile>) {
    this.#profiles = profiles;
    this.#sessions = sessions;
  }

  /** The library is loaded only when somebody has, or looks for, profiles. @throws Error with a sentence */
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
      throw new Error(`the settings in ${folder} cannot be used: ${why}; mend or remove them`, {
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

/** Opens them once, when somebody first asks; again when they could not be read. */
export function lazySettings(env: NodeJS.ProcessEnv): () => Promise<ProfileFiles> {
  let opened: Promise<ProfileFiles> | null = null;
  return () =>
    (opened ??= ProfileFiles.open(env).catch((error: unknown) => {
      opened = null;
      throw error;
    }));
}

/** As the XDG Base Directory Specification has it. */
function settingsFolder(env: NodeJS.ProcessEnv): string {
  return join(env['XDG_CONFIG_HOME'] || join(env['HOME'] || homedir(), '.config'), 'fathom');
}
