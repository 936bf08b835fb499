import { mkdir, readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { execa } from 'execa';
import { FathomError } from '../../../shared/errors.ts';
import { exists } from '../../base/files/dir.ts';
import { replaceFile } from '../../base/files/replace-file.ts';
import { CURRENT, isRelease, SERVICE, SYSTEM_FILES } from './release/layout.ts';

const PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

/** A program of the host; what it printed. Throws when it fails, with its own words, or when the signal aborts. */
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
    // Ctrl-C is for this program alone, which then decides what to do about it.
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
  if (uid !== 0) throw new FathomError('auth.forbidden', 'only root may do this; run it with sudo');
  if (!(await exists('/run/systemd/system'))) {
    throw new FathomError('conflict', "systemd does not run on this host; 'fathomd serve' runs without it");
  }
}

/** Brings the host's own files to those of the current release. @returns whether one of them changed */
export async function writeSystemFiles(): Promise<boolean> {
  let changed = false;
  for (const { from, to, mode } of SYSTEM_FILES) {
    const wanted = await readFile(join(CURRENT, from));
    const is = await readFile(to).catch(() => null);
    if (is !== null && wanted.equals(is)) continue;
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

/** Whether it runs, or would: one that failed, or is just being started again, is meant to run. */
export async function isWanted(unit: string): Promise<boolean> {
  return (await run('systemctl', ['show', '--property', 'ActiveState', '--value', unit])) !== 'inactive';
}

/** Whether systemd knows it: its file is there, or was when it was last read. */
export async function isLoaded(unit: string): Promise<boolean> {
  return (await run('systemctl', ['show', '--property', 'LoadState', '--value', unit])) !== 'not-found';
}

/** What the service said last. */
export async function lastWords(): Promise<string[]> {
  const text = await run('journalctl', ['--unit', SERVICE, '--lines', '15', '--output', 'cat', '--no-pager']);
  return text.split('\n');
}

/** A checkout has its sources, and development tools beside them; a release has neither. */
export async function isCheckout(directory: string): Promise<boolean> {
  return !isRelease(directory) && (await exists(join(directory, 'daemon', 'main.ts')));
}
