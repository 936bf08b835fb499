import { userInfo } from 'node:os';
import type { HttpClientOptions, Target } from '../../shared/client/http.ts';
import { systemClock } from '../../shared/client/stream-clock.ts';
import type { ProfileFiles } from '../servers/profile-files.ts';
import { ServerSession } from '../servers/server-session.ts';
import { connectFleet, type FleetConnection } from '../store/fleet/fleet-connection.ts';
import { describeTarget } from '../store/servers/target.ts';

export interface ServerConnection {
  fleet: FleetConnection;
  session: ServerSession | null;
  close(): void;
}

/** Connects to a daemon with the given token or the saved session. @throws Error if the settings cannot be read */
export async function connectServer(
  { target, token, readOnly }: { target: Target; token: string | undefined; readOnly: boolean },
  files: () => Promise<ProfileFiles>,
): Promise<ServerConnection> {
  const session = 'url' in target ? await sessionFor(target, token, files) : null;
  // The token is read for each request, because it is renewed.
  const access: HttpClientOptions = {
    target,
    // The daemon refuses all actions of a viewer.
    ...(readOnly ? { role: 'viewer' } : {}),
    get token() {
      return session === null ? token : session.token;
    },
  };
  const by = session === null ? localUser() : 'you';
  const fleet = connectFleet({ access, by, commands: () => clientFor(access) });
  return {
    fleet,
    session,
    close() {
      fleet.close();
      session?.close();
    },
  };
}

/** In a container, the user may have no name. */
function localUser(): string {
  try {
    return userInfo().username;
  } catch {
    return `uid ${process.getuid?.() ?? 'unknown'}`;
  }
}

async function sessionFor(
  target: Target,
  token: string | undefined,
  files: () => Promise<ProfileFiles>,
): Promise<ServerSession> {
  const address = describeTarget(target);
  const saved = token === undefined ? (await files()).session(address) : null;
  const session: ServerSession = new ServerSession({
    token,
    saved,
    async save(one) {
      const file = await files();
      if (one === null) file.deleteSession(address);
      else file.saveSession(address, one);
    },
    // Without the expired token: the daemon refuses a sign-in with it.
    login: async (body) => (await clientFor({ target })).auth.login(body),
    refresh: async () => (await clientFor({ target, token: session.token })).auth.refresh(),
    clock: systemClock,
  });
  return session;
}

/** Loads the client when it is first needed, so that the start does not wait for it. */
async function clientFor(access: HttpClientOptions) {
  const { createClient } = await import('../../shared/client/fathom-client.ts');
  return createClient(access);
}
