import { uptime } from 'node:os';

/** Milliseconds since the boot of the host, also those of a suspend. All processes of the host read the same. */
export function bootTime(): number {
  return uptime() * 1000;
}
