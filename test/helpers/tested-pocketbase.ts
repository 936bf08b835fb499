import { UPSTREAM_VERSIONS, type UpstreamVersion, upstreamBuild } from './upstream-builds.ts';

/** Names the version of PocketBase that the tests of this run use. Without it, they use the embedded one. */
export const TESTED_VARIABLE = 'FATHOM_TEST_POCKETBASE';

/** Path of the PocketBase that the tests of this run use, for PB_BINARY_PATH; null for the embedded one. */
export async function testedPocketBase(): Promise<string | null> {
  const version = process.env[TESTED_VARIABLE];
  if (version === undefined) return null;
  if (!isUpstream(version))
    throw new Error(`${TESTED_VARIABLE}=${version}: must be one of ${UPSTREAM_VERSIONS.join(', ')}`);
  const path = await upstreamBuild(version, `${TESTED_VARIABLE}=${version}`);
  if (path === null) throw new Error(`there is no PocketBase ${version} for these tests`);
  return path;
}

function isUpstream(version: string): version is UpstreamVersion {
  return (UPSTREAM_VERSIONS as string[]).includes(version);
}
