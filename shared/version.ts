const VERSION = /^\d{1,9}\.\d{1,9}\.\d{1,9}(?:-[0-9A-Za-z.-]{1,40})?$/;

/** Whether a text is the version of a release, like `0.40.1` or `1.0.0-rc.2`. */
export function isVersion(text: string): boolean {
  return VERSION.test(text);
}

/**
 * Compares two versions as semver does: a pre-release comes before its release.
 *
 * @returns less than 0 when `a` is older than `b`
 */
export function compareVersions(a: string, b: string): number {
  const [aCore = '', ...aPre] = a.split('-');
  const [bCore = '', ...bPre] = b.split('-');
  const core = compareParts(aCore, bCore);
  if (core !== 0) return core;
  if (aPre.length === 0 || bPre.length === 0) return bPre.length - aPre.length;
  return compareParts(aPre.join('-'), bPre.join('-'));
}

function compareParts(a: string, b: string): number {
  const [aParts, bParts] = [a.split('.'), b.split('.')];
  for (let index = 0; index < Math.max(aParts.length, bParts.length); index += 1) {
    const order = comparePart(aParts[index], bParts[index]);
    if (order !== 0) return order;
  }
  return 0;
}

/** A missing part comes first, then numbers by value, then text. */
function comparePart(a: string | undefined, b: string | undefined): number {
  if (a === undefined || b === undefined) return Number(a !== undefined) - Number(b !== undefined);
  const [aNumber, bNumber] = [a, b].map((part) => (/^\d+$/.test(part) ? Number(part) : null));
  if (typeof aNumber === 'number' && typeof bNumber === 'number') return aNumber - bNumber;
  if (aNumber !== bNumber) return aNumber === null ? 1 : -1;
  return a < b ? -1 : Number(a > b);
}
