import { appendFile, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { execa } from 'execa';

/** Tarballs as an administrator gets them. */
export interface Releases {
  version: string;
  tarball: string;
  megabytes: number;
  /** The next version, as good as this one. */
  next: string;
  nextVersion: string;
  /** One that starts and ends at once. */
  broken: string;
}

const PACKAGE = join(import.meta.dirname, '..', '..');

/** Packs this checkout, and makes two later versions out of it. Needs no network. */
export async function makeReleases(directory: string): Promise<Releases> {
  const { stdout } = await execa('npm', ['pack', '--json', '--silent', '--pack-destination', directory], {
    cwd: PACKAGE,
  });
  const [packed] = JSON.parse(stdout.slice(stdout.indexOf('['))) as { filename: string; version: string }[];
  if (packed === undefined) throw new Error(`npm pack says nothing of its tarball: ${stdout}`);
  const tarball = join(directory, packed.filename);
  await execa('tar', ['-xzf', tarball, '-C', directory]);
  const release = join(directory, 'package');

  const nextVersion = `${packed.version}-next`;
  await setVersion(release, nextVersion);
  const next = await tar(directory, 'next.tgz');
  await setVersion(release, `${packed.version}-broken`);
  await appendFile(join(release, 'dist/daemon/daemon.js'), "\nthrow new Error('this release is broken');\n");
  const broken = await tar(directory, 'broken.tgz');
  const megabytes = Math.round((await stat(tarball)).size / 1e6);
  return { version: packed.version, tarball, megabytes, next, nextVersion, broken };
}

async function setVersion(release: string, version: string): Promise<void> {
  const path = join(release, 'package.json');
  const manifest = JSON.parse(await readFile(path, 'utf8')) as object;
  await writeFile(path, JSON.stringify({ ...manifest, version }));
}

async function tar(directory: string, name: string): Promise<string> {
  const path = join(directory, name);
  // As fast as it goes: this one is not sent anywhere.
  await execa('tar', ['-c', '--use-compress-program=gzip -1', '-f', path, '-C', directory, 'package']);
  return path;
}
