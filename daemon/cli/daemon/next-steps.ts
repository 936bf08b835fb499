import type { DaemonStatus } from '../../../shared/api/daemon.ts';
import { describeExposure } from '../../../shared/exposure.ts';
import type { Config, LoadedConfig } from '../../config/config.ts';
import type { CliContext } from '../context.ts';
import { printMessage } from '../output/print.ts';
import { consoleCommand } from '../own-command.ts';

/** `exposure` is missing in the status of a daemon of an earlier release. */
type Status = Pick<DaemonStatus, 'api_url' | 'global_url'> & Partial<Pick<DaemonStatus, 'exposure'>>;

/**
 * Prints the next steps for a new administrator. The password itself is never shown.
 *
 * @param dataDir that of the command line, which other commands need, too
 */
export function printNextSteps(
  { config, adminPasswordOrigin }: Pick<LoadedConfig, 'adminPasswordOrigin'> & { config: StepsConfig },
  status: Status,
  dataDir: string | undefined,
  context: CliContext,
): void {
  const openConsole = consoleCommand(config.socketPath, dataDir, context);
  for (const line of nextSteps(config, status, adminPasswordOrigin, openConsole)) printMessage(context, line);
}

type StepsConfig = Pick<Config, 'admin' | 'socketPath'>;

function nextSteps(
  { admin }: Pick<Config, 'admin'>,
  status: Status,
  passwordOrigin: string,
  openConsole: string,
): string[] {
  const body = `'{"email":"you@example.com","password":"choose-your-own"}'`;
  return [
    `Fathom is ready at ${status.api_url}`,
    '',
    'Sign up a user with a database:',
    `  curl ${status.api_url}/api/v1/auth/register -H 'Content-Type: application/json' -d ${body}`,
    'Open the console:',
    `  ${openConsole}`,
    `Open the global dashboard as ${admin.email} (password: PB_ADMIN_PASSWORD in ${passwordOrigin}):`,
    `  ${status.global_url}/_/`,
    ...vulnerabilities(status),
  ];
}

/** Empty when no instance has a known vulnerability. */
function vulnerabilities({ exposure }: Status): string[] {
  if (exposure === undefined || exposure.remedy === null) return [];
  return [
    '',
    ...exposure.versions.map((affected) => `Warning: ${describeExposure(affected)}`),
    `  → ${exposure.remedy}`,
  ];
}
