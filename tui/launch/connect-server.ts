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

/** Connects to a daemon, as whoever has the token, or was signed in before. @throws Error when the settings cannot be read */
export async function connectServer(
  { target, token, readOnly }: { target: Target; token: string | undefined; readOnly: boolean },
  files: () => Promise<ProfileFiles>,
): Promise<ServerConnection> {
  const session = 'url' in target ? await sessionFor(target, token, files) : null;
  // Read at every request: it is renewed.
  const access: HttpClientOptions = {
    target,
    // The daemon refuses what a viewer may not do; nothing here needs to.
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

/** A process may run as a user that the host has no name for, as in a container. */
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
  const kept = token === undefined ? (await files()).session(address) : null;
  const session: ServerSession = new ServerSession({
    token,
    kept,
    async keep(one) {
      const file = await files();
      if (one === null) file.deleteSession(address);
      else file.saveSession(address, one);
    },
    // Without the token that has ended: a daemon refuses whoever shows one.
    login: async (body) => (await clientFor({ target })).auth.login(body),
    refresh: async () => (await clientFor({ target, token: session.token })).auth.refresh(),
    clock: systemClock,
  });
  return session;
}

/** Loaded when it is first needed: the start does not wait for it. */
async function clientFor(access: HttpClientOptions) {
  const { createClient } = await import('../../shared/client/fathom-client.ts');
  return createClient(access);
}
