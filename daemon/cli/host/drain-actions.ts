import type { ClusterNode } from '../../../shared/api/nodes.ts';
import { byteSize } from '../../../shared/byte-size.ts';
import type { FathomClient } from '../../../shared/client/fathom-client.ts';
import { FathomError } from '../../../shared/errors.ts';
import { systemClock } from '../../base/time/clock.ts';
import { type ConnectArguments, connect } from '../connect.ts';
import { type CliContext, printJson } from '../context.ts';
import { printMessage } from '../output/print.ts';

const POLL_MS = 500;
/** What fails now and then, such as a move that meets a backup, is over after two more attempts of the node. */
const SETTLED_MS = 20_000;

type NodeArguments = ConnectArguments & { name: string; json: boolean };

/** Drains a node, and shows its progress. Exit 1 when databases could not move, or the drain has ended before. */
export async function drainNode(
  { name, json, ...args }: NodeArguments,
  context: CliContext,
): Promise<number> {
  const client = connect(args, context);
  const node = await followDrain(client, await client.nodes.drain(name), { json }, context);
  if (json) printJson(context, node);
  else for (const line of resultLines(node)) printMessage(context, line);
  return node.drain?.progress?.left === 0 ? 0 : 1;
}

export async function undrainNode(
  { name, json, ...args }: NodeArguments,
  context: CliContext,
): Promise<number> {
  const node = await connect(args, context).nodes.undrain(name);
  if (json) printJson(context, node);
  else printMessage(context, `node ${name} takes databases again; those that have moved stay where they are`);
  return 0;
}

/**
 * Shows the progress of a drain until it ends, cannot go on, or the signal aborts. The node does not need this process: it moves
 * its databases until it is undrained.
 */
export async function followDrain(
  client: FathomClient,
  begun: ClusterNode,
  { json = false, signal }: { json?: boolean; signal?: AbortSignal },
  { stderr }: Pick<CliContext, 'stderr'>,
): Promise<ClusterNode> {
  let node = begun;
  let others: readonly ClusterNode[] = [];
  let shown = '';
  let since = performance.now();
  for (;;) {
    const line = progressLine(node, others);
    if (line !== shown) since = performance.now();
    if (line !== shown && !json) stderr.write(stderr.isTTY === true ? `\r\u001B[K${line}` : `${line}\n`);
    shown = line;
    if (signal?.aborted || hasEnded(node) || (isStuck(node) && performance.now() - since > SETTLED_MS)) break;
    await systemClock.sleep(POLL_MS, signal);
    others = await read(client, others);
    const next = others.find(({ name }) => name === node.name);
    if (next === undefined && others.length > 0)
      throw new FathomError('not_found', `node ${node.name} was removed`);
    node = next ?? node;
  }
  if (!json && stderr.isTTY === true) stderr.write('\n');
  return node;
}

/** While etcd does not answer, the last state is the one that is known. */
async function read(client: FathomClient, last: readonly ClusterNode[]): Promise<readonly ClusterNode[]> {
  try {
    return (await client.nodes.list()).items;
  } catch (error) {
    if (error instanceof FathomError && error.code === 'cluster.unavailable') return last;
    throw error;
  }
}

function hasEnded({ state, drain }: ClusterNode): boolean {
  return drain === null || state === 'offline' || drain.progress?.left === 0;
}

function isStuck({ drain }: ClusterNode): boolean {
  const progress = drain?.progress ?? null;
  return progress !== null && progress.moving === 0 && progress.failed === progress.left;
}

function progressLine({ name, drain }: ClusterNode, nodes: readonly ClusterNode[]): string {
  const progress = drain?.progress ?? null;
  if (progress === null) return `${name}: waiting for the node`;
  const failed = progress.failed === 0 ? '' : `, ${progress.failed} could not be moved yet`;
  const received = nodes.flatMap((node) => node.receiving).reduce((sum, { bytes }) => sum + bytes, 0);
  const there = received === 0 ? '' : ` (${byteSize(received)} are there)`;
  return `${name}: databases that are left: ${progress.left}, ${progress.moving} move now${there}${failed}`;
}

function resultLines({ name, state, drain }: ClusterNode): string[] {
  if (drain === null) return [`node ${name} is not drained any more; its other databases stay there`];
  if (state === 'offline')
    return [
      `node ${name} is offline: it takes over nothing, and moves its databases when it is online again. Other nodes take over those that have a replica`,
    ];
  const left = drain.progress?.left ?? 0;
  const problems = drain.progress?.problems ?? [];
  const more = (drain.progress?.failed ?? 0) - problems.length;
  return [
    left === 0
      ? `node ${name} is drained: no database is left there`
      : `databases that could not be moved from ${name}: ${left}; it tries again until it is undrained`,
    ...problems.map((problem) => `  ${problem.name}: ${problem.message}`),
    ...(more > 0 ? [`  and ${more} more`] : []),
    ...(drain.control_plane
      ? [
          `node ${name} has the control plane (global), which does not move while its daemon runs. Stop the daemon with its databases: another node takes the control plane over, and nothing is lost`,
        ]
      : []),
  ];
}
