import type { Instance } from '../../../../shared/api/instances.ts';
import type { ClusterNode } from '../../../../shared/api/nodes.ts';
import { WITHOUT_PROCESS } from '../../../../shared/instance.ts';

/** Whether a node is upgraded after its drain. */
export interface DrainResult {
  /** Why not; null when it is. */
  problem: string | null;
  /** Databases that stay on the node. */
  stay: readonly string[];
}

/** A node is upgraded when no database with a process is left there. The others do not notice an upgrade. */
export function drainResult(
  { name, state, drain, receiving }: Pick<ClusterNode, 'name' | 'state' | 'drain' | 'receiving'>,
  databases: readonly Pick<Instance, 'name' | 'kind' | 'node' | 'phase'>[],
): DrainResult {
  if (drain === null) return { problem: `node ${name} was undrained meanwhile`, stay: [] };
  if (state === 'offline') return { problem: `node ${name} is offline in the cluster`, stay: [] };
  const { left, problems } = drain.progress ?? { left: null, problems: [] };
  if (left === null) return { problem: `node ${name} has not looked at its databases`, stay: [] };
  const [coming] = receiving;
  if (coming !== undefined)
    return { problem: `${coming.name} is moving to ${name} now; try again in a moment`, stay: [] };
  const there = databases.filter(({ kind, node }) => kind === 'user' && node === name);
  const running = there.filter(({ phase }) => !WITHOUT_PROCESS.has(phase)).map((one) => one.name);
  if (running.length === 0) return { problem: null, stay: there.map((one) => one.name) };
  const why = problems.map((problem) => `${problem.name}: ${problem.message}`).join('; ');
  return {
    problem: `databases that run on ${name} could not be moved: ${running.join(', ')} (${why})`,
    stay: there.map((one) => one.name),
  };
}
