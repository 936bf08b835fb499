import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { appendFile, mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { createServer, type RequestListener, type Server } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { zipSync } from 'fflate';
import { afterAll, beforeAll, beforeEach, describe, expect, it, onTestFinished } from 'vitest';
import { EMBEDDED, verifyBinary } from '../../daemon/pocketbase/binary/binary.ts';
import type { KnownVersion } from '../../daemon/pocketbase/binary/known-versions.ts';
import { fathomd } from '../helpers/fathomd.ts';
import { freePortRange } from '../helpers/free-ports.ts';
import { runInProcess } from '../helpers/run-cli.ts';
import { textWith } from '../helpers/text-with.ts';
import { archiveName, releaseArchive, releaseChecksums } from '../helpers/upstream-builds.ts';

const { version: REAL } = EMBEDDED;
const sha256 = (content: Uint8Array) => createHash('sha256').update(content).digest('hex');

/** What the server has, by path. */
const served = new Map<string, RequestListener>();
const asked: string[] = [];
let server: Server;
let from: string;
let dataDir: string;
/** A real one, of the real PocketBase. */
let archive: Uint8Array;

beforeAll(async () => {
  dataDir = await mkdtemp(join(tmpdir(), 'fathom-pocketbase-'));
  const { path } = await verifyBinary(null);
  archive = releaseArchive(await readFile(path));
  server = createServer((request, response) => {
    asked.push(request.url ?? '');
    const answer = served.get(request.url ?? '');
    if (answer !== undefined) answer(request, response);
    else response.writeHead(404).end();
  });
  const port = await freePortRange(1);
  from = `http://127.0.0.1:${port}/releases`;
  await new Promise<void>((resolve) => {
    server.listen(port, '127.0.0.1', resolve);
  });
});

afterAll(async () => {
  server.close();
  await rm(dataDir, { recursive: true, force: true });
});

beforeEach(() => {
  served.clear();
  asked.length = 0;
});

/** A release as GitHub has it. */
function release(version: string, content: Uint8Array, checksum = sha256(content)): void {
  const path = `/releases/v${version}`;
  const checksums = releaseChecksums(version, checksum);
  served.set(`${path}/checksums.txt`, (_request, response) => void response.end(checksums));
  served.set(`${path}/${archiveName(version)}`, (_request, response) => void response.end(content));
}

function pocketbase(...args: string[]) {
  return runInProcess(['pocketbase', ...args, '--data-dir', dataDir], { cwd: dataDir });
}

async function list(env: Record<string, string> = {}): Promise<KnownVersion[]> {
  const args = ['pocketbase', 'list', '--json', '--data-dir', dataDir];
  const { out } = await runInProcess(args, { cwd: dataDir, env });
  return JSON.parse(out) as KnownVersion[];
}

const executable = (version: string) => join(dataDir, 'pocketbase', version, 'pocketbase');

describe('pocketbase install', () => {
  it('puts a release beside the others, says how to choose it, and does not get it again', async () => {
    release(REAL, archive);
    const args = ['pocketbase', 'install', `v${REAL}`, '--from', from, '--data-dir', dataDir];
    const { stdout, exitCode } = await fathomd(args, { cwd: dataDir });
    expect(exitCode).toBe(0);
    const path = executable(REAL);
    expect(stdout).toEqual(
      textWith(join(dataDir, '.env'), `    PB_BINARY_PATH=${path}\n`, 'CVE-2026-82410', '0.39.7'),
    );
    expect(sha256(await readFile(path))).toBe(EMBEDDED.sha256);
    expect((await stat(path)).mode & 0o777).toBe(0o700);
    expect((await readdir(join(dataDir, 'pocketbase'))).toSorted()).toEqual(['.lock', REAL]);

    asked.length = 0;
    const again = await pocketbase('install', REAL, '--from', from, '--json');
    expect(JSON.parse(again.out)).toEqual({
      version: REAL,
      path,
      sha256: EMBEDDED.sha256,
      already_installed: true,
      advisories: ['CVE-2026-82410'],
      hazards: ['migration-hangs', 'thumbnail-memory'],
    });
    expect(asked).toEqual([]);

    expect(await list()).toMatchObject([
      {
        source: 'embedded',
        version: REAL,
        chosen: true,
        instances: [],
        problem: null,
        advisories: ['CVE-2026-82410'],
      },
      { source: 'installed', version: REAL, path, chosen: false, problem: null },
    ]);
    expect(await list({ PB_BINARY_PATH: path })).toMatchObject([{ chosen: false }, { path, chosen: true }]);
  });

  it('does not run one that was changed after it was installed, and repairs it', async () => {
    await appendFile(executable(REAL), 'more');
    const [, changed] = await list({ PB_BINARY_PATH: executable(REAL) });
    expect(changed).toMatchObject({ version: REAL, chosen: true, sha256: null });
    expect(changed?.problem).toContain(EMBEDDED.sha256);
    release(REAL, archive);
    expect((await pocketbase('install', REAL, '--from', from)).code).toBe(0);
    expect((await list())[1]?.problem).toBeNull();
  });

  it.each([
    {
      what: 'an archive that is not the one of checksums.txt',
      serve: () => release('1.0.0', zip(`echo ran > ${join(dataDir, 'ran')}`), 'a'.repeat(64)),
      code: 78,
      says: ['checksums.txt', 'a'.repeat(64)],
    },
    {
      what: 'an archive that holds another version',
      serve: () => release('1.0.0', zip('echo pocketbase version 2.0.0')),
      code: 78,
      says: ['2.0.0'],
    },
    {
      what: 'an archive that holds no PocketBase',
      serve: () => release('1.0.0', zipSync({ 'README.md': Buffer.from('nothing') })),
      code: 78,
      says: ["'pocketbase'"],
    },
    {
      what: 'something that is no archive',
      serve: () => release('1.0.0', Buffer.from('<html>')),
      code: 78,
      says: [],
    },
    {
      what: 'a download that breaks off',
      serve: () => {
        release('1.0.0', archive);
        served.set(`/releases/v1.0.0/${archiveName('1.0.0')}`, (_request, response) => {
          response.writeHead(200, { 'content-length': archive.length });
          response.write(archive.subarray(0, 100_000), () => response.destroy());
        });
      },
      code: 69,
      says: [],
    },
    {
      what: 'a version that there is not',
      serve: () => {},
      code: 1,
      says: ['github.com/pocketbase/pocketbase/releases'],
    },
    {
      what: 'a release without one for this processor',
      serve: () => {
        release('1.0.0', archive);
        served.set('/releases/v1.0.0/checksums.txt', (_request, response) => void response.end('\n'));
      },
      code: 1,
      says: [archiveName('1.0.0')],
    },
  ])('installs nothing of $what', async ({ serve, code, says }) => {
    serve();
    const { err, ...ended } = await pocketbase('install', '1.0.0', '--from', from);
    expect(ended).toEqual({ code, out: '' });
    expect(err).toEqual(textWith('fathomd: ', '1.0.0', ...says));
    expect(await readdir(join(dataDir, 'pocketbase'))).not.toContain('1.0.0');
    expect(existsSync(join(dataDir, 'ran'))).toBe(false);
  });

  it('names the alternatives without a network, and refuses an address without TLS', async () => {
    const unused = `http://127.0.0.1:${await freePortRange(1)}`;
    const { code, err } = await pocketbase('install', '1.0.0', '--from', unused);
    expect(code).toBe(69);
    expect(err).toEqual(textWith('ECONNREFUSED', '--from', 'PB_BINARY_PATH'));
    for (const none of ['http://example.com', ','])
      expect((await pocketbase('install', '1.0.0', '--from', none)).code).toBe(2);
    const withPassword = await pocketbase(
      'install',
      '1.0.0',
      '--from',
      `${from},https://me:secret@example.com`,
    );
    expect([withPassword.code, withPassword.err.includes('secret')]).toEqual([2, false]);
    expect(withPassword.err).toContain('entry 2');
    expect((await pocketbase('install', '../1.0.0', '--from', from)).code).toBe(2);
  });

  it('refuses a release that corrupts databases, before it downloads it', async () => {
    release('0.36.6', archive);
    const { code, err } = await pocketbase('install', '0.36.6', '--from', from);
    expect(code).toBe(78);
    expect(err).toEqual(textWith('0.36.7', 'SQLite'));
    expect(asked).toEqual([]);
  });

  it('refuses to run one, whether it was installed or not', async () => {
    const old = join(dataDir, 'old-pocketbase');
    await writeFile(old, '#!/bin/sh\necho pocketbase version 0.36.6\n', { mode: 0o755 });
    const listed = await list({ PB_BINARY_PATH: old });
    expect(listed.at(-1)).toMatchObject({ source: 'setting', problem: textWith(old, '0.36.6', '0.36.7') });
  });
});

describe('sources', () => {
  const VERSION = '1.0.0';
  const program = zip(`echo pocketbase version ${VERSION}`);
  let directory: string;

  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'fathom-sources-'));
    await rm(join(dataDir, 'pocketbase', VERSION), { recursive: true, force: true });
    onTestFinished(() => rm(directory, { recursive: true, force: true }));
  });

  /** The files of a release in a directory. @returns path of the archive */
  async function releaseIn(path: string, content = program): Promise<string> {
    await mkdir(path, { recursive: true });
    await writeFile(join(path, archiveName(VERSION)), content);
    await writeFile(join(path, 'checksums.txt'), releaseChecksums(VERSION, sha256(program)));
    return join(path, archiveName(VERSION));
  }

  it.each([
    ['a directory with the layout of the official releases', `v${VERSION}`, ''],
    ['a directory with the files of one release', '', ''],
    ['an archive beside its checksums.txt', '', `/${archiveName(VERSION)}`],
  ])('are %s', async (_what, layout, file) => {
    await releaseIn(join(directory, layout));
    const { code, err } = await pocketbase('install', VERSION, '--from', `${directory}${file}`);
    expect({ code, err }).toEqual({ code: 0, err: expect.stringContaining(directory) as string });
    expect(sha256(await readFile(executable(VERSION)))).toBe(
      sha256(Buffer.from(`#!/bin/sh\necho pocketbase version ${VERSION}\n`)),
    );
  });

  it('are tried in their order, and each that fails is named with its reason', async () => {
    const unused = `http://127.0.0.1:${await freePortRange(1)}`;
    const truncated = join(directory, 'truncated');
    await releaseIn(truncated, program.subarray(0, -10));
    const other = join(directory, 'pocketbase.zip');
    await writeFile(other, program);
    release(VERSION, program, 'a'.repeat(64));
    const failing = [unused, join(directory, 'absent'), truncated, other, from];
    const settings = { PB_RELEASES_URL: failing.join(', ') };
    const install = ['pocketbase', 'install', VERSION, '--data-dir', dataDir];
    const failed = await runInProcess(install, { cwd: dataDir, env: settings });
    expect(failed.code).toBe(78);
    const last = failed.err.trim().split('\n').at(-1);
    for (const [source, why] of [
      [unused, 'ECONNREFUSED'],
      [join(directory, 'absent'), 'ENOENT'],
      [truncated, 'SHA-256'],
      [other, archiveName(VERSION)],
      [from, 'a'.repeat(64)],
    ])
      expect(last).toMatch(new RegExp(`${source}: [^;]*${why}`));
    expect(await readdir(join(dataDir, 'pocketbase'))).not.toContain(VERSION);

    await releaseIn(join(directory, 'good'));
    const env = { PB_RELEASES_URL: `${unused},${join(directory, 'good')}` };
    const { code, err } = await runInProcess(install, { cwd: dataDir, env });
    expect(code).toBe(0);
    expect(err).toEqual(textWith(`${unused}: `, 'ECONNREFUSED', join(directory, 'good')));
  });
});

/** Of a program that does this in place of a PocketBase. */
function zip(script: string): Uint8Array {
  return zipSync({ pocketbase: Buffer.from(`#!/bin/sh\n${script}\n`) });
}
