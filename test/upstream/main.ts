/**
 * Runs the essential tests with each newer release of PocketBase in place of the embedded one, until one fails. A release that
 * cannot be had is skipped with a line that says why.
 */
import { join } from 'node:path';
import { execa } from 'execa';
import { TESTED_VARIABLE } from '../helpers/tested-pocketbase.ts';
import { UPSTREAM_VERSIONS, upstreamBuild } from '../helpers/upstream-builds.ts';

const VITEST = join(import.meta.dirname, '..', '..', 'node_modules', 'vitest', 'vitest.mjs');

for (const version of UPSTREAM_VERSIONS) {
  if ((await upstreamBuild(version, `test:upstream with PocketBase ${version}`)) === null) continue;
  console.log(`PocketBase ${version}`);
  const args = [VITEST, 'run', '--project', 'upstream', ...process.argv.slice(2)];
  const { exitCode } = await execa(process.execPath, args, {
    env: { [TESTED_VARIABLE]: version },
    stdio: 'inherit',
    reject: false,
  });
  if (exitCode === 0) continue;
  // The next version could pass, and hide the failure at the end of the output.
  console.error(`failed with PocketBase ${version}; later versions were not tested`);
  process.exitCode = 1;
  break;
}
