/** Long enough for a busy host; less than the unit's TimeoutStopSec. */
const TIMEOUT_MS = 5_000;

/**
 * What systemd is about to do with a unit, asked when SIGTERM has come: that looks the same for a stop and a restart.
 *
 * @returns the type of the unit's job (`stop`, `restart`), or null when there is none, or systemd does not say
 */
export async function pendingJob(unit: string, env: Record<string, string>): Promise<string | null> {
  const { execa } = await import('execa');
  const { stdout } = await execa('systemctl', ['list-jobs', '--no-legend', '--plain', unit], {
    reject: false,
    stdin: 'ignore',
    timeout: TIMEOUT_MS,
    extendEnv: false,
    env,
  });
  return jobOf(unit, stdout ?? '');
}

/** Lines are `NUMBER UNIT TYPE STATE`. */
export function jobOf(unit: string, text: string): string | null {
  const line = text.split('\n').find((candidate) => candidate.trim().split(/\s+/)[1] === unit);
  return line?.trim().split(/\s+/)[2] ?? null;
}
