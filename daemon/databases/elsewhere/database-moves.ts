import { join } from 'node:path';
import { FathomError } from '../../../shared/errors.ts';
import { hashFile } from '../../base/files/hash-file.ts';
import type { Logger } from '../../base/log/log.ts';
import { closeDatabases } from '../../pocketbase/data/close-databases.ts';
import { dataDirOf } from '../../supervisor/instance-spec.ts';
import { type Catalog, type CatalogEntry, requireUnchanged } from '../catalog.ts';

/** How databases get to other nodes. */
export interface Handovers {
  /** The last replica of a database of this node that is complete, which can be that of its former owner. Null without one. */
  sourceOf(name: string): string | null;
  /** @throws FathomError `not_found`, `conflict` */
  requireTarget(node: string): Promise<void>;
  /** Resolves when the other node has it. @throws FathomError `conflict` when this node keeps it */
  handOver(
    offer: { name: string; to: string; sha256: string; source: string },
    signal: AbortSignal,
  ): Promise<void>;
}

export interface DatabaseMovesDeps {
  catalog: Pick<Catalog, 'get' | 'archived'>;
  /** Null for a single server. */
  handovers: Handovers | null;
  /** The paths of the replicas that this node writes. */
  replicas: { of(name: string): Promise<string> };
  /** Whether a backup is being restored into a database, which serves meanwhile. */
  isRestoring: (name: string) => boolean;
  /** Stores the uploaded files of a database for its next node. @throws FathomError `backup.failed` */
  storeFiles: (name: string, directory: string) => Promise<void>;
  log: Logger;
}

/** Moves databases to other nodes. */
export class DatabaseMoves {
  readonly #deps: DatabaseMovesDeps;

  constructor(deps: DatabaseMovesDeps) {
    this.#deps = deps;
  }

  /** Whether a replica of a database has everything, without which it cannot move. */
  async isReplicated(entry: CatalogEntry): Promise<boolean> {
    return (await this.#sourceOf(entry)) !== null;
  }

  async #sourceOf({ row: { name }, runner }: CatalogEntry): Promise<string | null> {
    const { handovers, replicas } = this.#deps;
    const source = handovers?.sourceOf(name) ?? null;
    // One that did not run here has the files of its former owner. The other node compares what it restores with them.
    const isStopped = runner.state.phase === 'stopped';
    return isStopped || source === (await replicas.of(name)) ? source : null;
  }

  /**
   * Ends the process of a database, and gives its files to another node, which starts it. When the other node does not get the
   * same bytes, the database starts here again.
   *
   * @throws FathomError `not_found`, `conflict`
   */
  async move(name: string, node: string): Promise<void> {
    const { catalog, handovers, isRestoring, storeFiles, log } = this.#deps;
    if (handovers === null)
      throw new FathomError('conflict', 'this daemon is not a node of a cluster: FATHOM_CLUSTER is not set');
    const entry = catalog.get(name);
    const { row, runner } = entry;
    requireUnchanged(entry);
    if (isRestoring(name))
      throw new FathomError(
        'conflict',
        `a backup of ${name} is being restored; wait for its end, then move it`,
      );
    if (row.state !== 'ready' || catalog.archived.find(name) !== null)
      throw new FathomError('conflict', `${name} is archived, or is being created or deleted`);
    await handovers.requireTarget(node);
    const source = await this.#sourceOf(entry);
    if (source === null)
      throw new FathomError('conflict', `the replica of ${name} is not complete yet; try again in a moment`);
    const { directory } = runner.spec;
    // Most of them while it still serves.
    await storeFiles(name, directory);
    const handOver = async (signal: AbortSignal) => {
      await storeFiles(name, directory);
      closeDatabases(dataDirOf(directory));
      const sha256 = await hashFile(join(dataDirOf(directory), 'data.db'));
      await handovers.handOver({ name, to: node, sha256, source }, signal);
      // Otherwise it would start here again. The reconciliation removes it soon.
      runner.stop();
    };
    await runner.maintain(handOver, { code: 'moving', message: `it moves to node ${node}` });
    log.info({ instance: name, node }, 'moved a database to another node');
  }
}
