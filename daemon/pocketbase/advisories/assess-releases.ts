import {
  ADVISORY_SEVERITIES,
  type Advisory,
  type AdvisoryList,
  type AdvisoryReport,
  type AdvisorySeverity,
  type Exposure,
  type Hazard,
  type Recommendation,
  type VulnerableVersion,
} from '../../../shared/api/pocketbase.ts';
import { compareVersions, isVersion } from '../../../shared/version.ts';
import { KNOWN_ADVISORIES, OLDEST_POCKETBASE } from './known-advisories.ts';

/** An instance, and the version of its PocketBase. */
export interface VersionedInstance {
  name: string;
  version: string;
}

/** Advisories of a version, worst first. Empty for a build without a version of upstream. */
export function advisoriesOf(version: string, { advisories }: AdvisoryList = KNOWN_ADVISORIES): Advisory[] {
  if (!isVersion(version)) return [];
  return advisories
    .filter(({ affected }) => affected.some(({ from, below }) => isBetween(version, from, below)))
    .toSorted((a, b) => rank(b.severity) - rank(a.severity));
}

/**
 * What to know about a change of the release: defects of the new one, and changes between the two in either direction.
 *
 * @param from null when there is no database yet
 */
export function hazardsOnTheWay(
  from: string | null,
  to: string,
  { hazards }: AdvisoryList = KNOWN_ADVISORIES,
): Hazard[] {
  if (!isVersion(to)) return [];
  return hazards.filter((hazard) => {
    if (hazard.kind === 'defect') return isBetween(to, hazard.from, hazard.below);
    if (from === null || !isVersion(from)) return false;
    const [older, newer] = compareVersions(from, to) < 0 ? [from, to] : [to, from];
    return compareVersions(older, hazard.from) < 0 && compareVersions(hazard.from, newer) <= 0;
  });
}

/**
 * The best release that is not older than `from`: one without a known vulnerability, else one with only those that no release
 * fixes; null when there is none.
 *
 * @param from null when there is no database yet
 */
export function recommended(
  from: string | null,
  list: AdvisoryList = KNOWN_ADVISORIES,
): Recommendation | null {
  const usable = list.recommended.filter(
    ({ version }) =>
      (from === null || !isVersion(from) || compareVersions(version, from) >= 0) &&
      compareVersions(version, OLDEST_POCKETBASE) >= 0 &&
      !hazardsOnTheWay(from, version, list).some(({ avoid }) => avoid),
  );
  const has = (matches: (advisory: Advisory) => boolean) =>
    usable.find(({ version }) => !advisoriesOf(version, list).some(matches));
  return has(() => true) ?? has(({ fixed_in }) => fixed_in !== null) ?? null;
}

/** Why a version must not run; null when it may, or when it is an own build without a version of upstream. */
export function tooOldProblem(version: string): string | null {
  if (!isVersion(version) || compareVersions(version, OLDEST_POCKETBASE) >= 0) return null;
  return `PocketBase ${version} is older than ${OLDEST_POCKETBASE}: its SQLite can corrupt a database that the daemon writes at the same time; use ${OLDEST_POCKETBASE} or later`;
}

/** The vulnerable versions among instances, and what to do. */
export function exposureOf(
  instances: readonly VersionedInstance[],
  list: AdvisoryList = KNOWN_ADVISORIES,
): Exposure {
  const counts = new Map<string, number>();
  for (const { version } of instances) counts.set(version, (counts.get(version) ?? 0) + 1);
  const versions = [...counts]
    .flatMap(([version, count]): VulnerableVersion[] => {
      const [worst, ...others] = advisoriesOf(version, list);
      if (worst === undefined) return [];
      const advisories = [worst, ...others].map(({ id }) => id);
      return [{ version, instances: count, severity: worst.severity, advisories }];
    })
    .toSorted((a, b) => rank(b.severity) - rank(a.severity) || compareVersions(a.version, b.version));
  return {
    vulnerable_instances: versions.reduce((sum, one) => sum + one.instances, 0),
    versions,
    remedy: remedyOf(versions, list),
  };
}

/** The list, and the instances that it affects. */
export function advisoryReport(
  instances: readonly VersionedInstance[],
  list: AdvisoryList = KNOWN_ADVISORIES,
): AdvisoryReport {
  const vulnerable = instances.flatMap(({ name, version }) => {
    const advisories = advisoriesOf(version, list).map(({ id }) => id);
    return advisories.length === 0 ? [] : [{ name, version, advisories }];
  });
  return { ...list, exposure: exposureOf(instances, list), instances: vulnerable };
}

const NEWER_LIST = "look for a newer list, 'fathomd doctor --advisories' reads it";

function remedyOf(versions: readonly VulnerableVersion[], list: AdvisoryList): string | null {
  const newest = versions
    .map(({ version }) => version)
    .toSorted(compareVersions)
    .at(-1);
  if (newest === undefined) return null;
  const release = recommended(newest, list);
  const left = release === null ? [] : advisoriesOf(release.version, list).map(({ id }) => id);
  const remains = left.filter((id) => versions.some(({ advisories }) => advisories.includes(id)));
  const closes = versions.some(({ advisories }) => advisories.some((id) => !left.includes(id)));
  if (release === null) return `no release without a known vulnerability is known; ${NEWER_LIST}`;
  const unfixed = `no release fixes ${remains.join(', ')}; ${NEWER_LIST}`;
  if (!closes) return unfixed;
  const install = `run 'fathomd pocketbase install' to get PocketBase ${release.version}, and follow its steps`;
  return remains.length === 0 ? install : `${install}; ${unfixed}`;
}

function isBetween(version: string, from: string, below: string | null): boolean {
  return compareVersions(version, from) >= 0 && (below === null || compareVersions(version, below) < 0);
}

/** How the fix of an advisory is shown. */
export function fixText({ fixed_in: fixedIn }: Advisory): string {
  return fixedIn === null ? 'no release fixes it' : `fixed in ${fixedIn}`;
}

function rank(severity: AdvisorySeverity): number {
  return ADVISORY_SEVERITIES.indexOf(severity);
}
