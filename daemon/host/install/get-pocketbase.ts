import { messageOf } from '../../../shared/errors.ts';
import { run } from './host.ts';
import { CURRENT, ENV_FILE } from './release/layout.ts';
import type { InstallContext } from './verify-release.ts';

/** An installation does not wait longer for a slow source. */
const TIMEOUT_MS = 60_000;

/**
 * Gets the recommended release of PocketBase, if a source has it in time, and says which one it is or why there is none. Best
 * effort: the embedded one runs without it.
 */
export async function getPocketBase({ print, interrupted }: InstallContext): Promise<void> {
  const args = ['pocketbase', 'install', '--json', '--env-file', ENV_FILE];
  try {
    // Becomes the owner of the data.
    const output = await run(`${CURRENT}/bin/fathomd`, args, { timeoutMs: TIMEOUT_MS, signal: interrupted });
    const { version, already_installed: isPresent } = JSON.parse(output) as {
      version: string;
      already_installed: boolean;
    };
    if (isPresent) return;
    print(
      `installed PocketBase ${version} beside the embedded one; nothing runs it yet: 'fathomd pocketbase install' shows how to use it`,
    );
  } catch (error) {
    print(`the recommended PocketBase is not installed: ${messageOf(error)}`);
    print(
      "the embedded one has a known vulnerability; run 'fathomd pocketbase install' when a source can be reached",
    );
  }
}
