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
  /** One that becomes ready, and ends two seconds later. */
  fragile: string;
}

/** In a daemon: ends it two seconds after it was ready; does not hold up its end. */
const END_ONCE_READY = `
setInterval(async () => {
  const answer = await fetch('http://127.0.0.1:3000/health/ready').catch(() => null);
  if (answer?.ok) setTimeout(() => { console.error('this release is fragile'); process.exit(70); }, 2000);
}, 200).unref();
`;
const PACKAGE = join(import.meta.dirname, '..', '..');

/** Packs this checkout, and makes two later versions out of it. Needs no network. */
export async function makeReleases(directory: string, signal: AbortSignal): Promise<Releases> {
  const { stdout } = await execa('npm', ['pack', '--json', '--silent', '--pack-destination', directory], {
    cwd: PACKAGE,
    cancelSignal: signal,
  });
  const [packed] = JSON.parse(stdout.slice(stdout.indexOf('['))) as { filename: string; version: string }[];
  if (packed === undefined) throw new Error(`npm pack says nothing of its tarball: ${stdout}`);
  const tarball = join(directory, packed.filename);
  await execa('tar', ['-xzf', tarball, '-C', directory], { cancelSignal: signal });
  const release = join(directory, 'package');

  const nextVersion = `${packed.version}-next`;
  await setVersion(release, nextVersion);
  const next = await tar(directory, 'next.tgz', signal);
  const daemon = join(release, 'dist/daemon/daemon.js');
  const sound = await readFile(daemon);
  await setVersion(release, `${packed.version}-broken`);
  await appendFile(daemon, "\nthrow new Error('this release is broken');\n");
  const broken = await tar(directory, 'broken.tgz', signal);
  await setVersion(release, `${packed.version}-fragile`);
  await writeFile(daemon, `${sound.toString()}\n${END_ONCE_READY}`);
  const fragile = await tar(directory, 'fragile.tgz', signal);
  const megabytes = Math.round((await stat(tarball)).size / 1e6);
  return { version: packed.version, tarball, megabytes, next, nextVersion, broken, fragile };
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
