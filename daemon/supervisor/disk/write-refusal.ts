import { existsSync } from 'node:fs';
import { copyFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { PhaseReason } from '../../../shared/api/instances.ts';
import { makeDirectory } from '../../base/files/dir.ts';
import { replaceFile } from '../../base/files/replace-file.ts';
import { packageRoot } from '../../base/package.ts';

const HOOK = 'refuse-writes.pb.js';

/** The hooks of an instance that refuses writes: beside its data, so that a process of its own can always read them. */
export function refusalHooksOf(directory: string): string {
  return join(directory, 'refuse-writes');
}

/** Whether the next process of the instance refuses writes. It outlives the daemon. */
export function refusesWrites(directory: string): boolean {
  return existsSync(join(refusalHooksOf(directory), HOOK));
}

/** Makes the next process of the instance refuse writes of all clients, except superusers and deletions. */
export async function refuseWrites(directory: string, { code, message }: PhaseReason): Promise<void> {
  const hooks = refusalHooksOf(directory);
  await makeDirectory(hooks);
  await replaceFile(join(hooks, 'refusal.json'), JSON.stringify({ code, message }), {
    mode: 0o600,
    synced: false,
  });
  // Last: it is the sign that the refusal is complete.
  await copyFile(join(packageRoot(), 'pb_hooks', 'user', HOOK), join(hooks, HOOK));
}

export async function allowWrites(directory: string): Promise<void> {
  await rm(refusalHooksOf(directory), { recursive: true, force: true });
}
