import type { PhaseReason } from '../../../shared/api/instances.ts';
import { FathomError, messageOf } from '../../../shared/errors.ts';
import { isVersion } from '../../../shared/version.ts';
import { exists } from '../../base/files/dir.ts';
import { SingleFlight } from '../../base/single-flight.ts';
import { tooOldProblem } from '../advisories/assess-releases.ts';
import { type Binary, changedBinary, EMBEDDED, verifyBinary } from './binary.ts';
import { executableOf } from './installed-versions.ts';

/** The version of the fleet: PB_BINARY_PATH, or the embedded one. */
export const FLEET_VERSION = '';

/**
 * The PocketBase executables that instances run: that of the fleet, and one for each version that a database is pinned to.
 * An executable is verified when it is needed first, and again when its file has changed.
 */
export class Binaries {
  readonly fleet: Binary;
  readonly #dataDir: string;
  /** Verified executables by version. */
  readonly #verified = new Map<string, Binary>();
  readonly #verifications = new SingleFlight<PhaseReason | null>();

  /** @param options.fleet a verified executable */
  constructor({ fleet, dataDir }: { fleet: Binary; dataDir: string }) {
    this.fleet = fleet;
    this.#dataDir = dataDir;
  }

  /** The executable of a version. Until `problemOf` has verified it, it has no hash, and no process may start from it. */
  of(version: string): Binary {
    if (version === FLEET_VERSION) return this.fleet;
    return this.#verified.get(version) ?? unverified(version, this.#dataDir);
  }

  /** The version of a verified executable with this content; null when it is not known. */
  versionOf(sha256: string): string | null {
    const known = [this.fleet, ...this.#verified.values()];
    return known.find((binary) => binary.sha256 === sha256)?.version ?? null;
  }

  /**
   * Verifies the executable of a version, if it has not been or has changed.
   *
   * @returns why no process can start from it; null when one can
   */
  async problemOf(version: string): Promise<PhaseReason | null> {
    if (version === FLEET_VERSION) return changedBinary(this.fleet);
    const unsupported = unsupportedVersion(version);
    if (unsupported !== null) return { code: 'version_refused', message: unsupported };
    const known = this.#verified.get(version);
    if (known && (await changedBinary(known)) === null) return null;
    this.#verified.delete(version);
    return this.#verifications.run(version, () => this.#verify(version));
  }

  /** @throws FathomError `binary.unusable` */
  async require(version: string): Promise<Binary> {
    const problem = await this.problemOf(version);
    if (problem !== null) throw new FathomError('binary.unusable', problem.message);
    return this.of(version);
  }

  async #verify(version: string): Promise<PhaseReason | null> {
    const path = executableOf(this.#dataDir, version);
    if (await exists(path)) return this.#use(version, path);
    if (this.fleet.version === version && (await changedBinary(this.fleet)) === null) {
      this.#verified.set(version, this.fleet);
      return null;
    }
    if (EMBEDDED.version === version) return this.#use(version, null);
    return {
      code: 'binary_missing',
      message: `PocketBase ${version} is not installed; run 'fathomd pocketbase install ${version}'`,
    };
  }

  /** @param path of an installed executable, or null for the embedded one */
  async #use(version: string, path: string | null): Promise<PhaseReason | null> {
    let why: string;
    try {
      const binary = await verifyBinary(path);
      if (binary.version === version) {
        this.#verified.set(version, binary);
        return null;
      }
      why = `${binary.path} is PocketBase ${binary.version}`;
    } catch (error) {
      if (!(error instanceof FathomError)) throw error;
      why = messageOf(error);
    }
    return {
      code: 'binary_changed',
      message: `PocketBase ${version} cannot be used: ${why}; run 'fathomd pocketbase install ${version}'`,
    };
  }
}

/** Why Fathom runs no PocketBase of this version; null when it does. */
export function unsupportedVersion(version: string): string | null {
  if (!isVersion(version))
    return `'${version}' is not a version of PocketBase; name one like ${EMBEDDED.version}`;
  return tooOldProblem(version);
}

/** Whether the executable was found and its content is known. */
export function isVerified({ sha256 }: Binary): boolean {
  return sha256 !== '';
}

function unverified(version: string, dataDir: string): Binary {
  // The row of a database can contain any text.
  const path = executableOf(dataDir, isVersion(version) ? version : '0.0.0');
  return { path, version, sha256: '', embedded: false, stamp: '' };
}
