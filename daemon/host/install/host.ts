import { mkdir, readFile, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { execa } from 'execa';
import { FathomError } from '../../../shared/errors.ts';
import { exists } from '../../base/files/dir.ts';
import { replaceFile } from '../../base/files/replace-file.ts';
import { CURRENT, isRelease, SERVICE, SYSTEM_FILES } from './release/layout.ts';

const PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

/**
 * Runs a program of the host.
 *
 * @returns its standard output
 * @throws with its standard error when it fails; FathomError `conflict` when the signal aborts
 */
export async function run(
  file: string,
  args: readonly string[],
  { timeoutMs, signal }: { timeoutMs?: number; signal?: AbortSignal } = {},
): Promise<string> {
  const result = await execa(file, args, {
    extendEnv: false,
    env: { PATH },
    stdin: 'ignore',
    reject: false,
    // A process group of its own, so that only this program receives Ctrl-C and handles it.
    detached: true,
    ...(timeoutMs === undefined ? {} : { timeout: timeoutMs }),
    ...(signal === undefined ? {} : { cancelSignal: signal }),
  });
  if (result.isCanceled) throw new FathomError('conflict', 'interrupted; nothing was changed');
  if (result.failed) {
    const why = result.timedOut
      ? `did not end within ${(timeoutMs ?? 0) / 1000} s`
      : result.stderr || result.message;
    throw new Error(`${file} ${args[0] ?? ''}: ${why}`);
  }
  return result.stdout;
}

/** @throws FathomError `auth.forbidden`, `conflict` */
export async function checkHost(uid: number): Promise<void> {
  if (uid !== 0) throw new FathomError('auth.forbidden', 'this command needs root; run it with sudo');
  if (!(await exists('/run/systemd/system'))) {
    throw new FathomError(
      'conflict',
      "systemd is not running on this host; run 'fathomd serve' to start the daemon without it",
    );
  }
}

/** Writes the files of the current release to their places on the host. @returns whether one of them changed */
export async function writeSystemFiles(): Promise<boolean> {
  let changed = false;
  const systemd = await systemdVersion();
  for (const { from, to, mode, isOptional, leastSystemd = 0 } of SYSTEM_FILES) {
    if (systemd < leastSystemd) {
      await rm(to, { force: true });
      continue;
    }
    const source = join(CURRENT, from);
    if (isOptional && !(await exists(source))) continue;
    const wanted = await readFile(source);
    const present = await readFile(to).catch(() => null);
    if (present !== null && wanted.equals(present)) continue;
    await mkdir(dirname(to), { recursive: true, mode: 0o755 });
    await replaceFile(to, wanted, { mode, synced: true });
    changed = true;
  }
  await run('systemd-sysusers', ['/usr/local/lib/sysusers.d/fathom.conf']);
  await run('systemd-tmpfiles', ['--create', '/usr/local/lib/tmpfiles.d/fathom.conf']);
  await run('systemctl', ['restart', 'systemd-sysctl.service']);
  await run('systemctl', ['daemon-reload']);
  return changed;
}

/** The major version of systemd. @throws when it cannot be read */
async function systemdVersion(): Promise<number> {
  const text = await run('systemctl', ['--version']);
  const version = /^systemd (\d+)/.exec(text)?.[1];
  if (version === undefined) throw new Error(`unknown version of systemd: ${text.split('\n')[0]}`);
  return Number(version);
}

/** Whether an administrator wants the unit to run. A unit that failed or restarts counts as well. */
export async function shouldRun(unit: string): Promise<boolean> {
  return (await run('systemctl', ['show', '--property', 'ActiveState', '--value', unit])) !== 'inactive';
}

/** Whether systemd has loaded the unit. It can stay loaded after its file is removed. */
export async function isLoaded(unit: string): Promise<boolean> {
  return (await run('systemctl', ['show', '--property', 'LoadState', '--value', unit])) !== 'not-found';
}

/** systemd reports each instance that outlives the daemon, as is intended. */
const OUTLIVING =
  /^\S+: (?:Unit process \d+ .* remains running|Found left-over process)|^This usually indicates unclean termination/;

/** The last lines in the log of the service, without those about processes that outlive the daemon. */
export async function readServiceLog(): Promise<string[]> {
  const text = await run('journalctl', [
    '--unit',
    SERVICE,
    '--lines',
    '500',
    '--output',
    'cat',
    '--no-pager',
  ]);
  return text
    .split('\n')
    .filter((line) => !OUTLIVING.test(line))
    .slice(-15);
}

/** Whether the directory is a git checkout: it contains the sources, a release does not. */
export async function isCheckout(directory: string): Promise<boolean> {
  return !isRelease(directory) && (await exists(join(directory, 'daemon', 'main.ts')));
}
