import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { FathomError, messageOf } from '../../../../shared/errors.ts';
import { CURRENT, RELEASE_KEYS } from './layout.ts';
import { hashForSignature, isSignedBy, type PublicKey, parsePublicKey, parseSignature } from './minisign.ts';

/** Directories of trusted keys: those of the installed package, and those of the administrator. Only root can write them. */
const KEY_DIRECTORIES = [join(CURRENT, 'release-keys'), RELEASE_KEYS] as const;
const VERSION_IN_COMMENT = /^fathom (\d+\.\d+\.\d+(?:-[0-9A-Za-z.-]+)?)$/;

/** The trusted comment of a release. It binds the version to the signature. */
export function releaseComment(version: string): string {
  return `fathom ${version}`;
}

/**
 * Verifies the signature of a tarball.
 *
 * @param signatureText content of the `.minisig` file
 * @returns the version that is signed
 * @throws FathomError `conflict`
 */
export async function verifySignature(
  tarball: string,
  signatureText: string,
  keys: readonly PublicKey[],
): Promise<string> {
  const signature = parseSignature(signatureText);
  const key = keys.find(({ id }) => id === signature.keyId);
  if (key === undefined) {
    throw new FathomError(
      'conflict',
      `the release is signed with the key ${signature.keyId}, which is not trusted; if it is a key of your vendor, put its public key into ${RELEASE_KEYS}/NAME.pub`,
    );
  }
  if (!isSignedBy(key, signature, await hashForSignature(tarball))) {
    throw new FathomError(
      'conflict',
      'the signature does not match the tarball: one of them was changed; download both again',
    );
  }
  const version = VERSION_IN_COMMENT.exec(signature.trustedComment)?.[1];
  if (version === undefined) {
    throw new FathomError(
      'conflict',
      `the signature is not for a release of Fathom: its trusted comment is '${signature.trustedComment}', expected 'fathom VERSION'`,
    );
  }
  return version;
}

/** The keys that releases can be signed with. @throws FathomError `conflict` for an invalid key file */
export async function readReleaseKeys(
  directories: readonly string[] = KEY_DIRECTORIES,
): Promise<PublicKey[]> {
  const keys: PublicKey[] = [];
  for (const directory of directories) {
    const names = await readdir(directory).catch((error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return [];
      throw error;
    });
    for (const name of names.filter((one) => one.endsWith('.pub')).toSorted()) {
      const path = join(directory, name);
      try {
        keys.push(parsePublicKey(await readFile(path, 'utf8')));
      } catch (error) {
        throw new FathomError('conflict', `cannot use the release key ${path}: ${messageOf(error)}`, {
          cause: error,
        });
      }
    }
  }
  return keys;
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
