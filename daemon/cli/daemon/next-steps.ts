import type { DaemonStatus } from '../../../shared/api/daemon.ts';
import type { Config } from '../../config/config.ts';

/**
 * What a newcomer does next. `passwordOrigin` says where the password stands; the password itself is never shown.
 *
 * @param openConsole the command that works here
 */
export function nextSteps(
  { admin }: Pick<Config, 'admin'>,
  status: Pick<DaemonStatus, 'api_url' | 'global_url'>,
  passwordOrigin: string,
  openConsole: string,
): string[] {
  const body = `'{"email":"you@example.com","password":"choose-your-own"}'`;
  return [
    `Fathom is ready at ${status.api_url}`,
    '',
    'Sign up a user, who is given a database at once:',
    `  curl ${status.api_url}/api/v1/auth/register -H 'Content-Type: application/json' -d ${body}`,
    'Open the console:',
    `  ${openConsole}`,
    `Open the global dashboard as ${admin.email} (password: PB_ADMIN_PASSWORD in ${passwordOrigin}):`,
    `  ${status.global_url}/_/`,
  ];
}
