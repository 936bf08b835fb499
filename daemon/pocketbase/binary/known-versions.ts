import { realpath } from 'node:fs/promises';
import { messageOf } from '../../../shared/errors.ts';
import { exists } from '../../base/files/dir.ts';
import { FLEET_VARIABLE, INSTANCE_VARIABLE } from '../process/command.ts';
import { fleetIdOf } from '../process/fleet-id.ts';
import { findByEnvironment } from '../process/procfs.ts';
import { verifyBinary } from './binary.ts';
import { ExecutableHashes } from './executable-hash.ts';
import { installedVersions } from './installed-versions.ts';

/** One executable of PocketBase on this host, and which instances run it. */
export interface KnownVersion {
  /** Null when it was not asked: it is not proven, or was only seen in a process. */
  version: string | null;
  /** `setting` is named by PB_BINARY_PATH alone, `running` by nothing but a process. */
  source: 'embedded' | 'installed' | 'setting' | 'running';
  path: string | null;
  sha256: string | null;
  /** Whether the next start of the daemon runs it. */
  chosen: boolean;
  /** Names of the instances whose processes run it now. */
  instances: string[];
  /** Why it cannot be used. */
  problem: string | null;
}

/** @param choice PB_BINARY_PATH, or null for the embedded default */
export async function knownVersions(dataDir: string, choice: string | null): Promise<KnownVersion[]> {
  const chosen = choice && (await realpath(choice).catch(() => choice));
  const installed = await installedVersions(dataDir);
  const known = await Promise.all([
    look('embedded', null, chosen),
    ...[...installed].map(([version, path]) => look('installed', path, chosen, version)),
  ]);
  if (!known.some((one) => one.chosen)) known.push(await look('setting', choice, chosen));
  const hashes = new ExecutableHashes();
  for (const { pid, environment, executable } of await processes(dataDir)) {
    const sha256 = await hashes.of(pid);
    // By its content, where it was moved or deleted since.
    let one =
      known.find(({ path }) => path !== null && path === executable) ??
      known.find((other) => sha256 !== null && other.sha256 === sha256);
    if (one === undefined) {
      const seen = { version: null, source: 'running', path: executable, sha256 } as const;
      one = { ...seen, chosen: false, instances: [], problem: null };
      known.push(one);
    }
    one.instances.push(environment.get(INSTANCE_VARIABLE) ?? '');
  }
  return known.map((one) => ({ ...one, instances: one.instances.toSorted() }));
}

async function processes(dataDir: string) {
  return (await exists(dataDir)) ? findByEnvironment(FLEET_VARIABLE, await fleetIdOf(dataDir)) : [];
}

async function look(
  source: KnownVersion['source'],
  path: string | null,
  chosen: string | null,
  name: string | null = null,
): Promise<KnownVersion> {
  const instances: string[] = [];
  try {
    const binary = await verifyBinary(path);
    const { version, sha256 } = binary;
    const isChosen = path === null ? chosen === null : binary.path === chosen;
    return { version, source, path: binary.path, sha256, chosen: isChosen, instances, problem: null };
  } catch (error) {
    const problem = messageOf(error);
    return { version: name, source, path, sha256: null, chosen: path === chosen, instances, problem };
  }
}
