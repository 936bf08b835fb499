import { chmod, copyFile, mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { hashFile } from '../../daemon/base/files/hash-file.ts';
import type { Deployment } from './deployment.ts';

/** Puts an executable where `fathomd pocketbase install` does, with its checksum. @returns its path */
export async function installVersion(
  fathom: Deployment,
  version: string,
  executable: string,
): Promise<string> {
  const path = await pathOf(fathom, version);
  await copyFile(executable, path);
  await chmod(path, 0o700);
  await writeFile(`${path}.sha256`, `${await hashFile(path)}  pocketbase\n`);
  return path;
}

/**
 * A real PocketBase that calls itself another version, after lines of a shell script.
 *
 * @param lines run before each command but `--version`; `$*` are the arguments
 */
export async function installScript(
  fathom: Deployment,
  { version, real, lines }: { version: string; real: string; lines: string },
): Promise<void> {
  const script = `#!/bin/sh
if [ "$1" = --version ]; then echo 'pocketbase version ${version}'; exit; fi
${lines}
exec ${real} "$@"
`;
  await writeFile(await pathOf(fathom, version), script, { mode: 0o700 });
}

async function pathOf({ dataDir }: Deployment, version: string): Promise<string> {
  const directory = join(dataDir, 'pocketbase', version);
  await mkdir(directory, { recursive: true, mode: 0o700 });
  return join(directory, 'pocketbase');
}
