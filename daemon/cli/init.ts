import { join, resolve } from 'node:path';
import { createEnvFile } from '../config/secrets-file.ts';
import { type CliContext, printLine } from './context.ts';
import { ownCommand } from './own-command.ts';

export async function init(
  { envFile }: { envFile?: string | undefined },
  context: CliContext,
): Promise<number> {
  const { cwd, stdout } = context;
  const path = envFile === undefined ? join(cwd, '.env') : resolve(cwd, envFile);
  await createEnvFile(path);
  printLine(stdout, `wrote ${path} with fresh secrets, readable by you alone; keep a copy in a safe place`);
  printLine(
    stdout,
    'the first administrator is admin@fathom.local, the password is PB_ADMIN_PASSWORD in there',
  );
  const option = envFile === undefined ? '' : ` --env-file ${path}`;
  const fathomd = await ownCommand('fathomd', context);
  printLine(stdout, `next: '${fathomd} doctor${option}', then '${fathomd} serve${option}'`);
  return 0;
}
