/**
 * Signs releases, in the format of minisign(1):
 *
 *     node scripts/sign-release.ts generate KEY.pem      # new key pair: KEY.pem and KEY.pub
 *     node scripts/sign-release.ts sign KEY.pem TARBALL  # writes TARBALL.minisig
 *
 * RELEASE_KEY_PASSPHRASE encrypts KEY.pem. docs/contributing/release.md describes a release.
 */
import {
  createHash,
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  type KeyObject,
  sign,
} from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { execa } from 'execa';
import { commentMessage, formatKeyId, hashForSignature } from '../daemon/host/install/release/minisign.ts';
import { releaseComment } from '../daemon/host/install/release/signature.ts';

const PEM_PASSPHRASE = 'RELEASE_KEY_PASSPHRASE';

/** The public key file of minisign(1). */
export function formatPublicKey(privateKey: KeyObject): string {
  const { id, key } = publicPart(privateKey);
  const encoded = Buffer.concat([Buffer.from('Ed'), id, key]).toString('base64');
  return `untrusted comment: minisign public key ${formatKeyId(id)}\n${encoded}\n`;
}

/** The signature file of minisign(1) for a release of this version. */
export async function signRelease(tarball: string, version: string, privateKey: KeyObject): Promise<string> {
  const { id } = publicPart(privateKey);
  const signature = sign(null, await hashForSignature(tarball), privateKey);
  const trustedComment = releaseComment(version);
  const commentSignature = sign(null, commentMessage({ signature, trustedComment }), privateKey);
  return [
    'untrusted comment: signature of a Fathom release',
    Buffer.concat([Buffer.from('ED'), id, signature]).toString('base64'),
    `trusted comment: ${trustedComment}`,
    commentSignature.toString('base64'),
    '',
  ].join('\n');
}

/** The id is derived from the key, so it needs no file. */
function publicPart(privateKey: KeyObject): { id: Buffer; key: Buffer } {
  const { x = '' } = createPublicKey(privateKey).export({ format: 'jwk' });
  const key = Buffer.from(x, 'base64url');
  return { id: createHash('sha256').update(key).digest().subarray(0, 8), key };
}

async function readVersion(tarball: string): Promise<string> {
  const { stdout } = await execa('tar', ['-xzOf', tarball, 'package/package.json']);
  return (JSON.parse(stdout) as { version: string }).version;
}

async function main([verb, keyFile, tarball]: readonly string[]): Promise<number> {
  const passphrase = process.env[PEM_PASSPHRASE];
  if (verb === 'generate' && keyFile !== undefined && keyFile.endsWith('.pem')) {
    const { privateKey } = generateKeyPairSync('ed25519');
    const encryption = passphrase === undefined ? {} : { cipher: 'aes-256-cbc', passphrase };
    const pem = privateKey.export({ type: 'pkcs8', format: 'pem', ...encryption });
    writeFileSync(keyFile, pem, { mode: 0o600, flag: 'wx' });
    const publicFile = keyFile.replace(/pem$/, 'pub');
    writeFileSync(publicFile, formatPublicKey(privateKey), { flag: 'wx' });
    process.stdout.write(`wrote ${keyFile} (keep it secret, outside of the repository) and ${publicFile}\n`);
    return 0;
  }
  if (verb === 'sign' && keyFile !== undefined && tarball !== undefined) {
    const pem = { key: readFileSync(keyFile), ...(passphrase === undefined ? {} : { passphrase }) };
    const version = await readVersion(tarball);
    writeFileSync(`${tarball}.minisig`, await signRelease(tarball, version, createPrivateKey(pem)));
    process.stdout.write(`wrote ${tarball}.minisig for version ${version}\n`);
    return 0;
  }
  process.stderr.write('usage: sign-release.ts generate KEY.pem | sign KEY.pem TARBALL\n');
  return 2;
}

if (import.meta.main) process.exitCode = await main(process.argv.slice(2));
