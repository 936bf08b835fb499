import type { ClusterNode, NodeList } from '../../../../shared/api/nodes.ts';
import type { FathomClient } from '../../../../shared/client/fathom-client.ts';
import { FathomError, messageOf } from '../../../../shared/errors.ts';
import { systemClock } from '../../../base/time/clock.ts';
import type { CliContext } from '../../context.ts';
import { followDrain } from '../drain-actions.ts';
import { drainResult } from './drain-result.ts';
import { versionNotes } from './versions.ts';

/** After the start of the daemon, etcd can be busy with the elections that follow the loss of a server. */
const ATTEMPTS = 30;
const RETRY_MS = 1_000;

export interface UpgradeNodeDeps {
  client: FathomClient;
  /**
   * Changes the release and verifies the next one.
   *
   * @param prepare runs before the present release is changed; not when the release is installed already
   * @returns false when the former release runs again
   */
  change: (prepare: () => Promise<void>) => Promise<boolean>;
  print: (line: string) => void;
  interrupted: AbortSignal;
  stderr: CliContext['stderr'];
}

/**
 * Upgrades this node of a cluster while other nodes have its databases. The entry in etcd with the purpose `upgrade` is all that
 * is stored, so the same command goes on after an interruption.
 *
 * ```
 * not drained ─▶ drained for the upgrade ─▶ no process is left ─▶ the new release runs ─▶ not drained
 *                      └──────── interrupted, or the former release runs again: it stays so ────────┘
 * drained for maintenance: the same, and it stays drained for maintenance
 * ```
 *
 * @returns false when the former release runs again
 * @throws FathomError `conflict` when this node is not upgraded now
 */
export async function upgradeNode(deps: UpgradeNodeDeps): Promise<boolean> {
  const { client, print } = deps;
  try {
    const isKept = await deps.change(() => emptyNode(deps));
    if (isKept) await finish(client, print);
    else await printState(deps);
    return isKept;
  } catch (error) {
    await printState(deps);
    throw error;
  }
}

/** Moves the databases of this node away. */
async function emptyNode({ client, print, interrupted, stderr }: UpgradeNodeDeps): Promise<void> {
  const { node: name } = await client.nodes.list();
  const begun = await client.nodes.drain(name, { purpose: 'upgrade' });
  print(`node ${name} is drained before its upgrade`);
  const node = await followDrain(client, begun, { signal: interrupted }, { stderr });
  if (interrupted.aborted) throw new FathomError('conflict', 'interrupted; the release is unchanged');
  const { problem, stay } = drainResult(node, await client.databases.all());
  if (problem !== null)
    throw new FathomError(
      'conflict',
      `${problem}; the release is unchanged. 'fathomd upgrade' without --cluster leaves databases on the node`,
    );
  if (stay.length > 0) print(`databases without a process stay on ${name}: ${stay.join(', ')}`);
  if (node.drain?.control_plane === true)
    print(`the control plane stays on ${name}: while its daemon starts, accounts cannot sign in`);
}

/** Ends the drain, unless an administrator drained the node. */
async function finish(client: FathomClient, print: UpgradeNodeDeps['print']): Promise<void> {
  const { node, list } = await readOwn(client);
  const { name, drain } = node;
  if (drain?.purpose === 'upgrade') {
    await retry(() => client.nodes.undrain(name));
    print(`node ${name} takes databases again; those that have moved stay where they are`);
  } else if (drain !== null) {
    print(
      `node ${name} was drained for maintenance, and stays so; 'fathomd nodes undrain ${name}' ends that`,
    );
  }
  const notes = versionNotes(list);
  for (const note of notes) print(note);
  if (notes.length === 0) print(`all nodes that are online have version ${node.version}`);
}

/** Says what an administrator finds after an upgrade that did not end. */
async function printState({ client, print }: UpgradeNodeDeps): Promise<void> {
  const state = await describeState(client);
  if (state !== null) print(state);
}

/** Null for a server without a cluster. */
async function describeState(client: FathomClient): Promise<string | null> {
  try {
    const { node } = await readOwn(client, 1);
    const { name } = node;
    if (node.drain?.purpose === 'upgrade')
      return `node ${name} stays drained for its upgrade: run the same command again to go on, or 'fathomd nodes undrain ${name}' to let it take databases again`;
    return node.drain === null
      ? `node ${name} is not drained`
      : `node ${name} is drained for maintenance, as before`;
  } catch (error) {
    if (error instanceof FathomError && error.code === 'conflict') return null;
    return `whether the node is drained is not known (${messageOf(error)}); 'fathomd nodes list' shows it on any node`;
  }
}

async function readOwn(
  client: FathomClient,
  attempts: number = ATTEMPTS,
): Promise<{ node: ClusterNode; list: NodeList }> {
  const list = await retry(() => client.nodes.list(), attempts);
  const node = list.items.find(({ name }) => name === list.node);
  if (node === undefined) throw new FathomError('conflict', `node ${list.node} was removed from the cluster`);
  return { node, list };
}

/** While etcd does not answer, a request is repeated. */
async function retry<T>(request: () => Promise<T>, attempts: number = ATTEMPTS): Promise<T> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await request();
    } catch (error) {
      const isEtcd = error instanceof FathomError && error.code === 'cluster.unavailable';
      if (!isEtcd || attempt >= attempts) throw error;
      await systemClock.sleep(RETRY_MS);
    }
  }
}
