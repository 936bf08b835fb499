import { restoreBackup } from '../../../shared/api/backups.ts';
import { importArchive } from '../../../shared/api/imports.ts';
import { getReplicaTimes, type ReplicaTimes } from '../../../shared/api/replicas.ts';
import { FathomError } from '../../../shared/errors.ts';
import type { UserLimits } from '../../accounts/plans/user-limits.ts';
import type { UserRepository } from '../../accounts/user-repository.ts';
import type { Catalog } from '../../databases/catalog.ts';
import type { Provisioner } from '../../databases/provisioning/provisioner.ts';
import { countOwnRestart } from '../../databases/routes/database-routes.ts';
import { requireOwnerOrAll, seesAll } from '../../http/caller.ts';
import { redactReason } from '../../http/redact.ts';
import { type Api, serve } from '../../http/serve.ts';
import { CONTROL_PLANE } from '../manifest.ts';
import type { Restores } from './restores.ts';

export interface RestoreRoutesDeps {
  catalog: Catalog;
  restores: Restores;
  replication: { times: (name: string) => Promise<ReplicaTimes> };
  provisioner: Provisioner;
  users: UserRepository;
  userLimits: UserLimits;
}

/** Registers the routes of restores. */
export function restoreRoutes(app: Api, deps: RestoreRoutesDeps): void {
  const { catalog, restores, replication, provisioner, users, userLimits } = deps;

  serve(app, restoreBackup, async (request) => {
    const { name, id } = request.params;
    requireOwnerOrAll(request, catalog.find(name)?.row.user ?? null);
    if (request.body?.into_new === true)
      throw new FathomError(
        'conflict',
        `a user has exactly one database, so ${name} cannot be restored into a new one; restore it in place: its data of now is kept beside it`,
      );
    const time = request.body?.at;
    if (typeof time === 'string' && id !== 'latest')
      throw new FathomError('conflict', `a restore has either a backup or a time; use 'latest' with 'at'`);
    const at = typeof time === 'string' ? new Date(time) : undefined;
    await countOwnRestart(request, userLimits);
    const isOwner = !seesAll(request.caller, 'backups.restore');
    const withoutBackup = request.body?.without_backup === true;
    const restored = await restores.restore(name, id, { isOwner, at, withoutBackup });
    const reason = redactReason(request.caller, restored.reason);
    // A path of the host.
    return !isOwner ? restored : { ...restored, kept_in: null, reason };
  });

  serve(app, getReplicaTimes, (request) => {
    const { name } = request.params;
    requireOwnerOrAll(request, catalog.find(name)?.row.user ?? null);
    if (name === CONTROL_PLANE)
      throw new FathomError(
        'conflict',
        "the control plane has backups only, and no replica; run 'fathomd backups list global' to see them, and 'fathomd restore' to restore one into an empty host",
      );
    catalog.get(name);
    return replication.times(name);
  });

  serve(app, importArchive, async (request) => {
    // It names a file of the host.
    if (request.caller?.kind !== 'local')
      throw new FathomError(
        'auth.forbidden',
        "archives are imported over the local socket, without a token: run 'fathomd backups import' on the host",
      );
    const user = await users.get(request.params.id);
    if (user.role !== 'user')
      throw new FathomError(
        'conflict',
        `${user.email} has the role '${user.role}', and only users have a database; name a user`,
      );
    const { row } = await provisioner.ensure(user);
    await provisioner.settled(user.id);
    const { file, without_backup: withoutBackup } = request.body;
    return restores.restore(row.name, file, { isOwner: false, archive: file, withoutBackup });
  });
}
