import type { DaemonStatus } from '../../../shared/api/daemon.ts';
import { describeExposure } from '../../../shared/exposure.ts';
import type { Config } from '../../config/config.ts';

/**
 * The next steps for a new administrator. The password itself is never shown.
 *
 * @param passwordOrigin the file or variable with the password
 * @param openConsole the command that opens the console
 */
export function nextSteps(
  { admin }: Pick<Config, 'admin'>,
  status: Pick<DaemonStatus, 'api_url' | 'global_url'> & Partial<Pick<DaemonStatus, 'exposure'>>,
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

/** Empty when no instance has a known vulnerability, and for a daemon of an earlier release. */
function vulnerabilities({ exposure }: Partial<Pick<DaemonStatus, 'exposure'>>): string[] {
  if (exposure === undefined || exposure.remedy === null) return [];
  return [
    '',
    ...exposure.versions.map((affected) => `Warning: ${describeExposure(affected)}`),
    `  → ${exposure.remedy}`,
  ];
}
