import type { VulnerableVersion } from './api/pocketbase.ts';

/** For commands and the console: `4 instances run PocketBase 0.39.1: CVE-2026-82410 (high)`. */
export function describeExposure({ version, instances, severity, advisories }: VulnerableVersion): string {
  const run = instances === 1 ? '1 instance runs' : `${instances} instances run`;
  return `${run} PocketBase ${version}: ${advisories.join(', ')} (${severity})`;
}
