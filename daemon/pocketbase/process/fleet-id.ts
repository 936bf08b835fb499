import { createHash } from 'node:crypto';
import { realpath } from 'node:fs/promises';

/** Names the processes of a data directory among all others of the host. */
export async function fleetIdOf(dataDir: string): Promise<string> {
  return createHash('sha256')
    .update(await realpath(dataDir))
    .digest('hex')
    .slice(0, 16);
}
