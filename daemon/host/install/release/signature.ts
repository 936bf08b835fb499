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
