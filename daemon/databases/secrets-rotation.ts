import { messageOf } from '../../shared/errors.ts';
import type { Logger } from '../base/log.ts';
import type { DatabaseRepository, DatabaseRow } from '../control-plane/databases.ts';
import { isSealedWith, type MasterKey, seal, unseal } from '../security/envelope.ts';
import { type Catalog, secretBelongsTo } from './catalog.ts';

export interface RotationResult {
  /** Sealed anew with the current key. */
  rotated: number;
  /** Were sealed with it already. */
  current: number;
  /** Could not be opened with any key that is configured; the log says which. */
  failed: number;
}

/**
 * Seals every stored secret anew with the first of the master keys. One row at a time, each by one statement that replaces
 * just what was read: whenever this is cut short, each row is whole and readable with one of the keys, and the next run
 * goes on with those that are left.
 */
export async function rotateSecrets(deps: {
  masterKeys: readonly [MasterKey, ...MasterKey[]];
  repository: DatabaseRepository;
  catalog: Catalog;
  log: Logger;
}): Promise<RotationResult> {
  const [current] = deps.masterKeys;
  const result: RotationResult = { rotated: 0, current: 0, failed: 0 };
  for (const row of await deps.repository.list()) {
    if (isSealedWith(current, row.superuser_secret)) {
      result.current += 1;
      continue;
    }
    try {
      if (await reseal(row, deps)) result.rotated += 1;
    } catch (error) {
      result.failed += 1;
      deps.log.error({ instance: row.name }, `a secret was not rotated: ${messageOf(error)}`);
    }
  }
  deps.log.info(result, 'rotated the stored secrets');
  return result;
}

async function reseal(
  row: DatabaseRow,
  { masterKeys, repository, catalog }: Parameters<typeof rotateSecrets>[0],
): Promise<boolean> {
  const belongsTo = secretBelongsTo(row.user);
  const secret = unseal(masterKeys, row.superuser_secret, belongsTo);
  const fresh = seal(masterKeys[0], secret, belongsTo);
  // Else it was deleted or rotated by another meanwhile.
  if (!(await repository.reseal(row.id, row.superuser_secret, fresh))) return false;
  const entry = catalog.find(row.name);
  if (entry) entry.row.superuser_secret = fresh;
  return true;
}
