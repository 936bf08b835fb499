import type { AdvisoryList } from '../../../shared/api/pocketbase.ts';
import { describeExposure } from '../../../shared/exposure.ts';
import {
  advisoriesOf,
  exposureOf,
  type VersionedInstance,
} from '../../pocketbase/advisories/assess-releases.ts';
import { type Finding, ok, warning } from './finding.ts';

export interface AdvisoryFacts {
  list: AdvisoryList;
  /** The version of each instance; null without a daemon that answers. */
  instances: readonly VersionedInstance[] | null;
  /** The version that the daemon starts; null when it cannot be used. */
  configured: string | null;
}

/** Known vulnerabilities of the PocketBase that instances run, or that the daemon would start. */
export function checkAdvisories({ list, instances, configured }: AdvisoryFacts): Finding[] {
  const running = instances ?? (configured === null ? [] : [{ name: 'the next start', version: configured }]);
  if (running.length === 0) return [];
  const { versions, remedy } = exposureOf(running, list);
  if (remedy === null) {
    const names = [...new Set(running.map(({ version }) => version))].join(', ');
    return [ok('advisories', `PocketBase ${names} has no vulnerability in the list of ${list.updated}`)];
  }
  return versions.map((affected) => {
    const [worst] = advisoriesOf(affected.version, list);
    const who =
      instances === null
        ? `PocketBase ${affected.version} is configured: ${affected.advisories.join(', ')} (${affected.severity})`
        : describeExposure(affected);
    return warning('advisories', `${who}. ${worst?.summary ?? ''}`, remedy);
  });
}
