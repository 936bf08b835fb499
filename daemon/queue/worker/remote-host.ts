import { existsSync } from 'node:fs';
import { request } from 'node:http';
import { join } from 'node:path';
import { isDatabaseName } from '../../../shared/database-name.ts';
import { FathomError, messageOf } from '../../../shared/errors.ts';
import type { DatabaseRow } from '../../../shared/hooks/control-plane-routes.ts';
import type { DaemonCalls } from '../../../shared/hooks/daemon-calls.ts';
import type { Clock } from '../../base/time/clock.ts';
import { type ControlPlaneClient, isStatus } from '../../control-plane/client.ts';
import { secretBelongsTo } from '../../databases/user-instance.ts';
import { type MasterKey, unseal } from '../../keys/envelope.ts';
import { HOOK_TOKEN_HEADER } from '../../keys/hook-token.ts';
import { superuserTokens } from '../../keys/instance-access.ts';
import { dataDirOf } from '../../supervisor/instance-spec.ts';
import { NoDatabaseNow, type TaskHost } from './prepare.ts';

const SIGNED_IN = '/internal/users/signed-in';

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
 * Gives tasks in a separate worker process access to databases. It reads them from the control plane, so it also works while
 * the daemon does not run. Only the daemon can create a database.
 */
export function createRemoteHost(deps: RemoteHostDeps): TaskHost {
  return {
    async databaseOf(userId, { signal, forAll }) {
      const row = await findRow(deps.controlPlane, userId, signal);
      // An administrator can edit the name in the control plane. It must not lead out of the directory.
      if (!row || !isDatabaseName(row.name)) {
        if (forAll) throw new NoDatabaseNow();
        throw new FathomError('not_found', `the user '${userId}' has no database`);
      }
      const dataDir = dataDirOf(join(deps.userDatabasesDir, row.name));
      // An archived one has no files, and a request would bring them back.
      if (forAll && (row.desired !== 'running' || !existsSync(dataDir))) throw new NoDatabaseNow();
      if (row.state !== 'ready' || row.desired !== 'running' || row.port === 0) {
        throw new FathomError('instance.not_running', `the database ${row.name} has to run for this`);
      }
      const secret = unseal(deps.masterKeys, row.superuser_secret, secretBelongsTo(row.user));
      return {
        name: row.name,
        url: `http://${deps.instanceHost}:${row.port}`,
        token: await superuserTokens(secret, deps.clock)(),
        data_dir: dataDir,
      };
    },
    provision: (user) => provisionAtDaemon(user, deps),
  };
}

async function findRow(
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

/** Calls the route of the sign-in hook, which provisions a missing database. */
function provisionAtDaemon(
  user: { id: string; email: string },
  { daemonSocket, hookToken }: RemoteHostDeps,
): Promise<{ name: string }> {
  const sent: DaemonCalls[typeof SIGNED_IN]['body'] = {
    user_id: user.id,
    email: user.email,
    expires_at_s: null,
  };
  const body = JSON.stringify(sent);
  return new Promise((resolve, reject) => {
    const fail = (reason: string) =>
      reject(new FathomError('daemon.unreachable', `no database was created: ${reason}`));
    const call = request(
      {
        socketPath: daemonSocket,
        path: SIGNED_IN,
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
