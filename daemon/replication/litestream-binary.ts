import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { messageOf } from '../../shared/errors.ts';
import { systemErrorCode } from '../base/files/dir.ts';

const run = promisify(execFile);
const TIMEOUT_MS = 10_000;
const PASSED = /^(?:PATH|HOME|TZ|SSL_CERT_(?:FILE|DIR)|AWS_.*|https?_proxy|no_proxy)$/i;
/** The first release whose control socket, format and restore are tested. A later 0.5 has the same. */
const FIRST = { minor: 5, patch: 17 } as const;
const RANGE = `0.${FIRST.minor}.${FIRST.patch} or a later 0.${FIRST.minor}`;
const SET_PATH = `install Litestream ${RANGE}, or set LITESTREAM_BINARY_PATH to it`;

export type LitestreamBinary =
  | { usable: true; path: string; version: string }
  | { usable: false; problem: string; remedy: string };

/** Asks an executable for its version. @param path null for `litestream` in PATH */
export async function readLitestream(path: string | null): Promise<LitestreamBinary> {
  const program = path ?? 'litestream';
  try {
    const { stdout } = await run(program, ['version'], {
      timeout: TIMEOUT_MS,
      // It may be any program.
      killSignal: 'SIGKILL',
      env: programEnvironment(),
    });
    const version = stdout.trim().replace(/^v/, '');
    if (isTestedVersion(version)) return { usable: true, path: program, version };
    const shown = /^[\w.+-]{1,40}$/.test(version) ? version : 'of an unknown version';
    return {
      usable: false,
      problem: `Litestream at ${program} is ${shown}, and Fathom works with ${RANGE}`,
      remedy: SET_PATH,
    };
  } catch (error) {
    const isMissing = systemErrorCode(error) === 'ENOENT';
    const isSilent = (error as { killed?: boolean }).killed === true;
    const cause = isSilent ? `no answer in ${TIMEOUT_MS / 1000} s` : messageOf(error).split('\n', 1)[0];
    const problem = isMissing
      ? `Litestream is missing: ${path ?? 'there is no litestream in PATH'}`
      : `Litestream at ${program} does not run: ${cause}`;
    return { usable: false, problem, remedy: SET_PATH };
  }
}

/** The formats of 0.3 and 0.5 differ, and so may those of later minor releases. */
export function isTestedVersion(version: string): boolean {
  const [, minor, patch] = /^0\.(\d+)\.(\d+)$/.exec(version) ?? [];
  return Number(minor) === FIRST.minor && Number(patch) >= FIRST.patch;
}

/** What Litestream gets of the environment of the daemon: no secret of Fathom, and the credentials of S3. */
export function programEnvironment(): NodeJS.ProcessEnv {
  const passed = Object.entries(process.env).filter(([name]) => PASSED.test(name));
  const { AWS_CA_BUNDLE: bundle, ...environment } = Object.fromEntries(passed);
  // Litestream 0.5.17 refuses every target while AWS_CA_BUNDLE is set.
  return bundle === undefined ? environment : { SSL_CERT_FILE: bundle, ...environment };
}
