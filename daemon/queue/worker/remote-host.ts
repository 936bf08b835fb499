import { request } from 'node:http';
import { join } from 'node:path';
import { isDatabaseName } from '../../../shared/database-name.ts';
import { FathomError, messageOf } from '../../../shared/errors.ts';
import type { DatabaseRow } from '../../../shared/hooks/control-plane-routes.ts';
import type { Clock } from '../../base/time/clock.ts';
import { type ControlPlaneClient, isStatus } from '../../control-plane/client.ts';
import { secretBelongsTo } from '../../databases/catalog.ts';
import { type MasterKey, unseal } from '../../keys/envelope.ts';
import { HOOK_TOKEN_HEADER } from '../../keys/hook-token.ts';
import { superuserTokens } from '../../keys/instance-access.ts';
import type { TaskHost } from './prepare.ts';

const PROVISION_TIMEOUT_MS = 120_000;

export interface RemoteHostDeps {
  controlPlane: ControlPlaneClient;
  masterKeys: readonly MasterKey[];
  userDatabasesDir: string;
  /** Where user instances listen. */
  instanceHost: string;
  daemonSocket: string;
  hookToken: string;
  clock: Clock;
}

/**
 * What tasks reach of Fathom from a worker of its own process: databases through the control plane, which also works while
 * the daemon is away; making one is the daemon's alone.
 */
export function remoteHost(deps: RemoteHostDeps): TaskHost {
  return {
    async databaseOf(userId, signal) {
      const row = await find(deps.controlPlane, userId, signal);
      // The name comes from the control plane, which a person can edit: it must never lead out of the directory.
      if (!row || !isDatabaseName(row.name)) {
        throw new FathomError('not_found', `the user '${userId}' has no database`);
      }
      if (row.state !== 'ready' || row.desired !== 'running' || row.port === 0) {
        throw new FathomError('instance.not_running', `the database ${row.name} has to run for this`);
      }
      const secret = unseal(deps.masterKeys, row.superuser_secret, secretBelongsTo(row.user));
      return {
        name: row.name,
        url: `http://${deps.instanceHost}:${row.port}`,
        token: await superuserTokens(secret, deps.clock)(),
        data_dir: join(deps.userDatabasesDir, row.name, 'pb_data'),
      };
    },
    provision: (user) => askDaemon(user, deps),
  };
}

async function find(
  controlPlane: ControlPlaneClient,
  userId: string,
  signal: AbortSignal,
): Promise<DatabaseRow | null> {
  try {
    return await controlPlane.call((client) =>
      client
        .collection('user_databases')
        .getFirstListItem<DatabaseRow>(client.filter('user = {:userId}', { userId }), { signal }),
    );
  } catch (error) {
    if (isStatus(error, 404)) return null;
    throw error;
  }
}

/** The way that the sign-in hook takes. */
function askDaemon(
  user: { id: string; email: string },
  { daemonSocket, hookToken }: RemoteHostDeps,
): Promise<{ name: string }> {
  const body = JSON.stringify({ user_id: user.id, email: user.email, expires_at_s: null });
  return new Promise((resolve, reject) => {
    const fail = (why: string) =>
      reject(new FathomError('daemon.unreachable', `no database was made: ${why}`));
    const call = request(
      {
        socketPath: daemonSocket,
        path: '/internal/users/signed-in',
        method: 'POST',
        timeout: PROVISION_TIMEOUT_MS,
        headers: {
          'content-type': 'application/json',
          'content-length': Buffer.byteLength(body),
          [HOOK_TOKEN_HEADER]: hookToken,
        },
      },
      (response) => {
        let text = '';
        response.setEncoding('utf8');
        response.on('data', (chunk: string) => {
          text += chunk;
        });
        response.once('end', () => {
          const { database = null } =
            response.statusCode === 200 ? (JSON.parse(text) as { database: { name: string } | null }) : {};
          if (database) resolve({ name: database.name });
          else fail(`the daemon answered ${response.statusCode}: ${text.slice(0, 200)}`);
        });
      },
    );
    call.once('timeout', () => call.destroy(new Error('no answer in time')));
    call.once('error', (error) => fail(messageOf(error)));
    call.end(body);
  });
}
