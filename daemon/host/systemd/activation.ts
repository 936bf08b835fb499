/** The first descriptor that systemd hands over: SD_LISTEN_FDS_START of sd_listen_fds(3). */
const FIRST = 3;

/**
 * The socket that `fathomd.socket` opened for this process, as a file descriptor; null when there is none. Variables
 * that were meant for another process (a parent that did not take them away) do not count.
 */
export function inheritedSocket(
  env: Readonly<Record<string, string | undefined>>,
  pid: number,
): number | null {
  if (env['LISTEN_PID'] !== String(pid)) return null;
  const count = Number(env['LISTEN_FDS'] ?? 0);
  return Number.isInteger(count) && count > 0 ? FIRST : null;
}
