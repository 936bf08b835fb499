/** Long enough for a host under load, and less than TimeoutStopSec of the unit. */
const TIMEOUT_MS = 5_000;

/**
 * Asks systemd for the queued job of a unit. After SIGTERM, it distinguishes a stop from a restart.
 *
 * @returns the type of the job (`stop`, `restart`); null when there is no job, or systemd does not respond
 */
export async function readPendingJob(unit: string, env: Record<string, string>): Promise<string | null> {
  const { execa } = await import('execa');
  const { stdout } = await execa('systemctl', ['list-jobs', '--no-legend', '--plain', unit], {
    reject: false,
    stdin: 'ignore',
    timeout: TIMEOUT_MS,
    extendEnv: false,
    env,
  });
  return parseJob(unit, stdout ?? '');
}

/** Lines are `NUMBER UNIT TYPE STATE`. */
export function parseJob(unit: string, text: string): string | null {
  const line = text.split('\n').find((candidate) => candidate.trim().split(/\s+/)[1] === unit);
  return line?.trim().split(/\s+/)[2] ?? null;
}
