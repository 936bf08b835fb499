import { generateKeyPairSync } from 'node:crypto';
import { appendFile, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { execa } from 'execa';
import { formatPublicKey, signRelease } from '../../scripts/sign-release.ts';
import { addRelease, upstreamBuild } from '../helpers/upstream-builds.ts';

/** Tarballs as an administrator gets them. */
export interface Releases {
  version: string;
  /** Whether the package contains PACKED_POCKETBASE. */
  hasPocketBase: boolean;
  tarball: string;
  megabytes: number;
  /** The next version, as good as this one. */
  next: string;
  nextVersion: string;
  /** One that starts and ends at once. */
  broken: string;
  /** One that becomes ready, and ends two seconds later. */
  fragile: string;
  /** An earlier version. */
  old: string;
  /** The key that all of them are signed with, as minisign writes it. Each signature is beside its tarball. */
  publicKey: string;
}

/** In a daemon: ends it two seconds after it was ready; does not hold up its end. */
const END_ONCE_READY = `
setInterval(async () => {
  const answer = await fetch('http://127.0.0.1:3000/health/ready').catch(() => null);
  if (answer?.ok) setTimeout(() => { console.error('this release is fragile'); process.exit(70); }, 2000);
}, 200).unref();
`;
/** A signature of a key that no installation trusts. */
export function signWithAnotherKey(tarball: string, version: string): Promise<string> {
  return signRelease(tarball, version, generateKeyPairSync('ed25519').privateKey);
}

const PACKAGE = join(import.meta.dirname, '..', '..');

/** The release of PocketBase that the package contains, where it can be had. */
export const PACKED_POCKETBASE = '0.40.6';

/** Packs this checkout, and makes two later versions out of it. */
export async function makeReleases(directory: string, signal: AbortSignal): Promise<Releases> {
  const build = await upstreamBuild(PACKED_POCKETBASE, 'a package that contains PocketBase');
  const mirror = join(directory, 'mirror');
  if (build !== null) await addRelease(mirror, PACKED_POCKETBASE, build);
  const packedRelease = build === null ? {} : { PACK_POCKETBASE: PACKED_POCKETBASE, PB_RELEASES_URL: mirror };
  const { stdout } = await execa('npm', ['pack', '--json', '--silent', '--pack-destination', directory], {
    cwd: PACKAGE,
    cancelSignal: signal,
    env: packedRelease,
  });
  await rm(join(PACKAGE, 'pocketbase'), { recursive: true, force: true });
  const [packed] = JSON.parse(stdout.slice(stdout.indexOf('['))) as { filename: string; version: string }[];
  if (packed === undefined) throw new Error(`npm pack says nothing of its tarball: ${stdout}`);
  const tarball = join(directory, packed.filename);
  await execa('tar', ['-xzf', tarball, '-C', directory], { cancelSignal: signal });
  const release = join(directory, 'package');

  const [major, minor, patch = 0] = packed.version.split('.').map(Number);
  const later = (count: number): string => `${major}.${minor}.${patch + count}`;
  const { privateKey } = generateKeyPairSync('ed25519');
  const signed = async (path: string, version: string): Promise<string> => {
    await writeFile(`${path}.minisig`, await signRelease(path, version, privateKey));
    return path;
  };
  const nextVersion = later(1);
  await setVersion(release, nextVersion);
  const next = await signed(await tar(directory, 'next.tgz', signal), nextVersion);
  await setVersion(release, '0.0.1');
  const old = await signed(await tar(directory, 'old.tgz', signal), '0.0.1');
  const daemon = join(release, 'dist/daemon/daemon.js');
  const sound = await readFile(daemon);
  await setVersion(release, later(2));
  await appendFile(daemon, "\nthrow new Error('this release is broken');\n");
  const broken = await signed(await tar(directory, 'broken.tgz', signal), later(2));
  await setVersion(release, later(3));
  await writeFile(daemon, `${sound.toString()}\n${END_ONCE_READY}`);
  const fragile = await signed(await tar(directory, 'fragile.tgz', signal), later(3));
  const megabytes = Math.round((await stat(tarball)).size / 1e6);
  return {
    hasPocketBase: build !== null,
    version: packed.version,
    tarball,
    megabytes,
    next,
    nextVersion,
    broken,
    fragile,
    old,
    publicKey: formatPublicKey(privateKey),
  };
}

async function setVersion(release: string, version: string): Promise<void> {
  const path = join(release, 'package.json');
  const manifest = JSON.parse(await readFile(path, 'utf8')) as object;
  await writeFile(path, JSON.stringify({ ...manifest, version }));
}

async function tar(directory: string, name: string, signal: AbortSignal): Promise<string> {
  const path = join(directory, name);
  // As fast as it goes: this one is not sent anywhere.
  const options = ['-c', '--use-compress-program=gzip -1', '-f', path, '-C', directory];
  await execa('tar', [...options, 'package'], { cancelSignal: signal });
  return path;
}
