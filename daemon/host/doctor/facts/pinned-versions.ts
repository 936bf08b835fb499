import type { Pin } from '../../../databases/pins.ts';
import type { Binaries } from '../../../pocketbase/binary/binaries.ts';

/** A version that instances are pinned to. */
export interface VersionFacts {
  version: string;
  /** Of its executable; null when it cannot be used. */
  sha256: string | null;
  /** Why it cannot be used; null when it can. */
  problem: string | null;
  /** Names of the instances. */
  instances: string[];
}

/** Verifies the executable of each version. */
export async function readVersions(
  pins: readonly Pin[],
  binaries: Pick<Binaries, 'of' | 'problemOf'>,
): Promise<VersionFacts[]> {
  const facts: VersionFacts[] = [];
  for (const [version, pinned] of Map.groupBy(pins, (pin) => pin.version)) {
    const problem = await binaries.problemOf(version);
    facts.push({
      version,
      sha256: problem === null ? binaries.of(version).sha256 : null,
      problem: problem?.message ?? null,
      instances: pinned.map(({ name }) => name),
    });
  }
  return facts;
}
