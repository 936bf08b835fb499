import type { Refusal } from './refusal.ts';

/**
 * The version that a client expects, from the header `If-Match`.
 * @returns undefined without a header and for `*`, null for a header that names no version
 */
export function versionOfIfMatch(header: string): number | null | undefined {
  const text = header.trim();
  if (text === '' || text === '*') return undefined;
  const digits = /^(?:W\/)?"([0-9]{1,15})"$/.exec(text)?.[1];
  return digits === undefined ? null : Number(digits);
}

/**
 * Whether a change is based on the current version. A change without a version is.
 * @returns the refusal, or undefined when it is
 */
export function validateVersion(current: number, expected: number | null | undefined): Refusal | undefined {
  if (expected === undefined || expected === current) return undefined;
  return {
    code: 'version_conflict',
    message: `The item has version ${current}. Read it again, then repeat the change.`,
  };
}
