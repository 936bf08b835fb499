import { join, resolve } from 'node:path';
import { byteSize } from '../../../shared/byte-size.ts';
import { FathomError } from '../../../shared/errors.ts';
import { BackupProblem } from '../../backups/backup-problem.ts';
import { type HostProgress, type HostReport, restoreHost } from '../../backups/restore/restore-host.ts';
import { BackupFailed } from '../../backups/run/backup-processes.ts';
import { openTarget } from '../../backups/targets/open-target.ts';
import { isDiskFull } from '../../base/files/dir.ts';
import { refuseRootIn } from '../../base/process-account.ts';
import { readSources } from '../../config/sources/sources.ts';
import { listNames, packageFiles } from '../../databases/applications/sources.ts';
import { verifyBinary } from '../../pocketbase/binary/binary.ts';
import { type CliContext, type Output, printJson, printLine } from '../context.ts';
import { UsageError } from '../input/usage-error.ts';
import { printable } from '../output/print.ts';
import { progressBar } from '../output/progress-bar.ts';
import { ownCommand } from '../own-command.ts';
import { readRecoveryKeyFile } from './recovery-key-file.ts';

interface RestoreHostArguments {
  from: string;
  'recovery-key': string;
  'data-dir'?: string | undefined;
  parallel: number;
  json: boolean;
}

const MAX_PARALLEL = 64;

/** Exit 1 when a database was not restored, or not from its last backup. */
export async function restoreWholeHost(args: RestoreHostArguments, context: CliContext): Promise<number> {
  const { env, cwd, stderr } = context;
  if (!Number.isInteger(args.parallel) || args.parallel < 1 || args.parallel > MAX_PARALLEL)
    throw new UsageError(`--parallel needs a whole number from 1 to ${MAX_PARALLEL}`);
  const { dataDir, get } = readSources({ commandLine: { dataDir: args['data-dir'] }, env, cwd });
  const recoveryKey = await readRecoveryKeyFile(resolve(cwd, args['recovery-key']));
  // Files of this process are private.
  process.umask(0o077);
  const from = /^[a-z][a-z0-9+.-]*:\/\//i.test(args.from) ? args.from : resolve(cwd, args.from);
  const { version } = await verifyBinary(get('PB_BINARY_PATH')?.trim() || null);
  refuseRootIn(dataDir);
  const show = args.json ? () => {} : showProgress(stderr);
  try {
    const report = await restoreHost({
      from,
      target: openTarget(from),
      recoveryKey,
      dataDir,
      userDatabasesDir: resolve(cwd, get('PB_USER_DBS_PATH')?.trim() ?? join(dataDir, 'user_dbs')),
      version,
      parallel: args.parallel,
      onProgress: show,
    });
    if (!args.json && stderr.isTTY === true) stderr.write('\n');
    const apps = await missingApplications(report, args, context);
    if (args.json) printJson(context, { ...report, missing_applications: apps.missing });
    else printReport(report, { dataDir, from, apps }, context);
    return report.missing.length + report.older.length === 0 ? 0 : 1;
  } catch (error) {
    throw describeFailure(error, dataDir);
  }
}

/** Applications that this host lacks, as the restored settings find them. */
async function missingApplications(
  { applications }: HostReport,
  args: RestoreHostArguments,
  { env, cwd }: CliContext,
): Promise<MissingApplications> {
  const { dataDir, get } = readSources({ commandLine: { dataDir: args['data-dir'] }, env, cwd });
  const appDir = resolve(cwd, get('FATHOM_APP_DIR')?.trim() ?? join(dataDir, 'apps'));
  const own = await listNames(packageFiles().appsDir);
  const present = await listNames(appDir).catch((): string[] => []);
  return { appDir, missing: applications.filter((name) => !own.includes(name) && !present.includes(name)) };
}

interface MissingApplications {
  appDir: string;
  missing: string[];
}

function describeFailure(error: unknown, dataDir: string): unknown {
  const again = 'then run the same command again, which continues';
  if (isDiskFull(error) || (error instanceof BackupFailed && error.reason === 'disk_full'))
    return new FathomError('backup.failed', `the disk of ${dataDir} is full; free some space, ${again}`, {
      cause: error,
    });
  if (error instanceof BackupProblem || error instanceof BackupFailed)
    return new FathomError('backup.failed', `${error.message}; correct the cause, ${again}`, {
      cause: error,
    });
  return error;
}

/** One line on a terminal, else a line for each database. */
function showProgress(output: Output): (progress: HostProgress) => void {
  let shown = '';
  return ({ databases, ended, bytes }) => {
    const text = `${progressBar(ended, databases)} ${ended} of ${databases} databases`;
    if (output.isTTY === true) {
      const line = `${text}, ${byteSize(bytes)}`;
      if (line !== shown) output.write(`\r\u001B[K${line}`);
      shown = line;
    } else {
      if (text !== shown) output.write(`${text}\n`);
      shown = text;
    }
  };
}

function printReport(
  report: HostReport,
  { dataDir, from, apps }: { dataDir: string; from: string; apps: MissingApplications },
  context: CliContext,
): void {
  const { control_plane, restored, restored_before: before, older, missing, unknown, pinned } = report;
  const bytes = restored.reduce((sum, one) => sum + one.bytes, 0);
  const earlier = before.length === 0 ? '' : `, ${before.length} by an earlier run`;
  const fathomd = ownCommand('fathomd', context);
  const lines = [
    `restored ${dataDir} from ${from}`,
    `control plane: ${control_plane ?? 'by an earlier run'}; secrets and settings: ${join(dataDir, '.env')}`,
    `databases: ${restored.length} with ${byteSize(bytes)}${earlier}`,
    ...older.map(({ name, backup, message }) => `older backup ${backup} of ${name}: ${message}`),
    ...missing.map(({ name, message }) => `not restored: ${name}: ${message}`),
    ...unknown.map((name) => `backups of ${name} were left: no account of the control plane has it`),
    ...pinned.map(
      (version) => `next: '${fathomd} pocketbase install ${version}', to which databases are pinned`,
    ),
    ...apps.missing.map(
      (name) =>
        `next: put the application ${name} into ${apps.appDir}, or set FATHOM_APP_DIR: databases that need its hooks do not start before`,
    ),
    `next: the former host may still use its backup target, so this one does not: when it does not run any more, '${fathomd} backups accept-target'; for a drill, set another BACKUP_TARGET`,
    `next: check the settings in ${join(dataDir, '.env')}, then '${fathomd} doctor' and '${fathomd} serve', with --data-dir ${dataDir}`,
  ];
  for (const line of lines) printLine(context.stdout, printable(line));
}
