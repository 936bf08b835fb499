import { join } from 'node:path';
import { execa } from 'execa';
import { FathomError, messageOf } from '../../../../shared/errors.ts';
import type { SettingsInput } from '../../../../shared/settings-files.ts';
import { packageRoot } from '../../../base/package.ts';
import type { Finding } from '../../../host/doctor/finding.ts';
import { type CliContext, environmentWith } from '../../context.ts';

const TIMEOUT_MS = 60_000;

/**
 * Runs `fathomd doctor` in a process of its own: it reads every database through, which would hold up the daemon.
 *
 * @param running contains the pid while the process runs: it may use the local socket, unlike other children of the daemon
 * @throws FathomError `internal` when it gives no report
 */
export async function diagnose(
  { envFile, dataDir, settings = {} }: SettingsInput['commandLine'],
  context: CliContext,
  running: Set<number>,
): Promise<Finding[]> {
  const options = [
    ...(envFile === undefined ? [] : ['--env-file', envFile]),
    ...(dataDir === undefined ? [] : ['--data-dir', dataDir]),
  ];
  const child = execa(join(packageRoot(), 'bin', 'fathomd'), ['doctor', '--json', ...options], {
    cwd: context.cwd,
    env: environmentWith(context, { ...settings, NOTIFY_SOCKET: null }),
    extendEnv: false,
    reject: false,
    stdin: 'ignore',
    timeout: TIMEOUT_MS,
  });
  const { pid } = child;
  if (pid !== undefined) running.add(pid);
  const { stdout, stderr, exitCode } = await child;
  if (pid !== undefined) running.delete(pid);
  try {
    // What is fatal makes it exit with 1; the report is there all the same.
    return JSON.parse(stdout) as Finding[];
  } catch (error) {
    const why = stderr.trim() === '' ? `exit ${exitCode ?? 'unknown'}, ${messageOf(error)}` : stderr.trim();
    throw new FathomError('internal', `fathomd doctor gave no report: ${why}`, { cause: error });
  }
}
