import { realpath } from 'node:fs/promises';
import { messageOf } from '../../../shared/errors.ts';
import { exists } from '../../base/files/dir.ts';
import { FLEET_VARIABLE, fleetIdOf, INSTANCE_VARIABLE } from '../process/command.ts';
import { findByEnvironment } from '../process/procfs.ts';
import { verifyBinary } from './binary.ts';
import { ExecutableHashes } from './executable-hash.ts';
import { executableOf, installedVersions } from './installed-versions.ts';

/** A PocketBase executable on this host, with the instances that run it. */
export interface KnownVersion {
  /** Null when it is unknown: the executable is not verified, or only a process uses it. */
  version: string | null;
  /** `setting` is known only from PB_BINARY_PATH, `pinned` only from a database, `running` only from a process. */
  source: 'embedded' | 'installed' | 'setting' | 'pinned' | 'running';
  path: string | null;
  sha256: string | null;
  /** Whether the daemon uses it from its next start on. */
  chosen: boolean;
  /** Names of the instances that are pinned to it. */
  pinned: string[];
  /** Names of the instances whose processes run it now. */
  instances: string[];
  /** Why it cannot be used; null when it can. */
  problem: string | null;
}

/**
 * @param choice PB_BINARY_PATH, or null for the embedded default
 * @param pins the pinned instances, by version
 */
export async function knownVersions(
  dataDir: string,
  choice: string | null,
  pins: ReadonlyMap<string, readonly string[]>,
): Promise<KnownVersion[]> {
  const chosen = choice && (await realpath(choice).catch(() => choice));
  const installed = await installedVersions(dataDir);
  const known = await Promise.all([
    describeVersion('embedded', null, chosen),
    ...[...installed].map(([version, path]) => describeVersion('installed', path, chosen, version)),
  ]);
  if (!known.some((entry) => entry.chosen)) known.push(await describeVersion('setting', choice, chosen));
  for (const [version, pinned] of pins) {
    // In the order in which the daemon looks for it.
    const entry =
      known.find((one) => one.source === 'installed' && one.path === executableOf(dataDir, version)) ??
      known.find((one) => one.chosen && one.version === version) ??
      known.find((one) => one.version === version);
    if (entry) entry.pinned = [...pinned];
    else known.push({ ...missing(version), pinned: [...pinned] });
  }
  const hashes = new ExecutableHashes();
  for (const { pid, environment, executable } of await findProcesses(dataDir)) {
    const sha256 = await hashes.of(pid);
    // Matched by content when the file was moved or deleted.
    let entry =
      known.find(({ path }) => path !== null && path === executable) ??
      known.find((other) => sha256 !== null && other.sha256 === sha256);
    if (entry === undefined) {
      const fromProcess = { version: null, source: 'running', path: executable, sha256 } as const;
      entry = { ...fromProcess, chosen: false, pinned: [], instances: [], problem: null };
      known.push(entry);
    }
    entry.instances.push(environment.get(INSTANCE_VARIABLE) ?? '');
  }
  return known.map((entry) => ({ ...entry, instances: entry.instances.toSorted() }));
}

function missing(version: string): KnownVersion {
  const problem = `it is not installed; run 'fathomd pocketbase install ${version}'`;
  const unknown = { path: null, sha256: null, chosen: false, instances: [] };
  return { version, source: 'pinned', ...unknown, pinned: [], problem };
}

async function findProcesses(dataDir: string) {
  return (await exists(dataDir)) ? findByEnvironment(FLEET_VARIABLE, await fleetIdOf(dataDir)) : [];
}

async function describeVersion(
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
    return {
      version,
      source,
      path: binary.path,
      sha256,
      chosen: isChosen,
      pinned: [],
      instances,
      problem: null,
    };
  } catch (error) {
    const problem = messageOf(error);
    return {
      version: name,
      source,
      path,
      sha256: null,
      chosen: path === chosen,
      pinned: [],
      instances,
      problem,
    };
  }
}
