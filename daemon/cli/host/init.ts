import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { FathomError } from '../../../shared/errors.ts';
import { createEnvFile, type DataDirs, findEarlierSecrets } from '../../config/sources/secrets-file.ts';
import { readSources } from '../../config/sources/sources.ts';
import { type CliContext, printLine } from '../context.ts';
import { ownCommand } from '../own-command.ts';

export async function init(
  { envFile }: { envFile?: string | undefined },
  context: CliContext,
): Promise<number> {
  const { cwd, stdout } = context;
  const path = envFile === undefined ? join(cwd, '.env') : resolve(cwd, envFile);
  const dirs = dataDirs(existsSync(path) ? path : undefined, context);
  if (envFile === undefined) await refuseToHideSecrets(path, dirs);
  const filled = await createEnvFile(path, dirs);
  const what = filled === null ? 'wrote' : `filled ${filled.join(', ')} in`;
  printLine(stdout, `${what} ${path} with new secrets, readable only by you; keep a copy in a safe place`);
  printLine(
    stdout,
    'the first administrator is admin@fathom.local; the password is PB_ADMIN_PASSWORD in that file',
  );
  const option = envFile === undefined ? '' : ` --env-file ${path}`;
  const fathomd = ownCommand('fathomd', context);
  printLine(stdout, `next: '${fathomd} doctor${option}', then '${fathomd} serve${option}'`);
  return 0;
}

/** @param envFile a file that may set them */
function dataDirs(envFile: string | undefined, { env, cwd }: CliContext): DataDirs {
  const { dataDir, get } = readSources({ commandLine: { envFile }, env, cwd });
  return {
    dataDir,
    userDatabasesDir: resolve(cwd, get('PB_USER_DBS_PATH')?.trim() ?? join(dataDir, 'user_dbs')),
  };
}

/** A `.env` in the working directory takes precedence over the one in the data directory, and would contain the wrong keys. */
async function refuseToHideSecrets(path: string, dirs: DataDirs): Promise<void> {
  const { dataDir } = dirs;
  const place = await findEarlierSecrets(dirs);
  if (place === null || place === path) return;
  const own = join(dataDir, '.env');
  const kept =
    place === own
      ? `run 'fathomd serve', which reads ${own}`
      : `put the file with those secrets back to ${own}`;
  throw new FathomError(
    'config.exists',
    `${path} was not written: the data in ${dataDir} needs the secrets that it was made with, and new secrets in ${path} would replace them; ${kept}, or set FATHOM_DATA_DIR for a new fleet`,
  );
}
