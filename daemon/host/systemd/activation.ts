/** The first file descriptor that systemd passes: SD_LISTEN_FDS_START of sd_listen_fds(3). */
const FIRST_DESCRIPTOR = 3;

/**
 * The file descriptor of the socket that `fathomd.socket` opened for this process; null when there is none. Variables
 * that a parent process inherited and did not remove are ignored.
 */
export function inheritedSocket(
  env: Readonly<Record<string, string | undefined>>,
  pid: number,
): number | null {
  if (env['LISTEN_PID'] !== String(pid)) return null;
  const count = Number(env['LISTEN_FDS'] ?? 0);
  return Number.isInteger(count) && count > 0 ? FIRST_DESCRIPTOR : null;
}
