import { spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  appendFile,
  copyFile,
  mkdir,
  readdir,
  readFile,
  rm,
  stat,
  utimes,
  writeFile,
} from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { text as textOf } from 'node:stream/consumers';
import { expect, it, onTestFinished } from 'vitest';
import { scratch } from '../../../test/helpers/scratch.ts';
import { until } from '../../../test/helpers/until.ts';
import { LogFiles } from './log-files.ts';

const KIB = 1024;
const LIMITS = { maxBytes: 256 * KIB, retentionMs: 60_000 };
const DAY_MS = 86_400_000;
const ROTATIONS = 12;

async function newFiles(limits = LIMITS): Promise<LogFiles> {
  const files = new LogFiles(join(await scratch(), 'instances', 'a.log'), limits);
  await mkdir(dirname(files.live), { recursive: true });
  return files;
}

const numbered = (first: number, count: number) =>
  Array.from({ length: count }, (_, index) => `line ${String(first + index).padStart(12, '0')}\n`).join('');

async function readAll(files: LogFiles): Promise<string> {
  const chunks: Buffer[] = [];
  for (let position = 0; ; ) {
    const read = await files.read(position, 10_000);
    if (read.bytes.length === 0) return Buffer.concat(chunks).toString();
    chunks.push(read.bytes);
    position = read.position + read.bytes.length;
  }
}

async function partsOf({ live }: LogFiles): Promise<string[]> {
  return (await readdir(live.replace(/\.log$/, '.old'))).toSorted();
}

async function bytesOnDisk({ live }: LogFiles): Promise<number> {
  return (await stat(live)).blocks * 512;
}

it('rotations lose and repeat no line while a process writes', async () => {
  const files = await newFiles({ maxBytes: 64 * 1024 * KIB, retentionMs: 60_000 });
  const partBytes = 16 * KIB;
  const small = new LogFiles(files.live, { maxBytes: 4 * partBytes, retentionMs: 60_000 });
  const limitFile = `${files.live}.limit`;
  // One write per line, as PocketBase does it. A limit in a file keeps the writer from getting too far ahead of a slow disk.
  const script = `const fs = require('node:fs'); const [, live, limitFile] = process.argv;
    const fd = fs.openSync(live, 'a'); const nap = new Int32Array(new SharedArrayBuffer(4));
    for (let i = 0, bytes = 0; ; i++) {
      if (i % 20 === 0) {
        let limit;
        do { Atomics.wait(nap, 0, 0, 1); limit = fs.readFileSync(limitFile, 'utf8'); } while (bytes > Number(limit));
        if (limit === 'end') { console.log(i); break; }
      }
      bytes += fs.writeSync(fd, 'line ' + String(i).padStart(12, '0') + '\\n');
    }`;
  const raiseLimit = async () => writeFile(limitFile, String((await small.end()) + 4 * partBytes));
  await raiseLimit();
  const writer = spawn(process.execPath, ['-e', script, files.live, limitFile], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  onTestFinished(() => {
    writer.kill('SIGKILL');
  });
  const exited = once(writer, 'exit');
  const output = textOf(writer.stdout);
  for (let rotation = 0; rotation < ROTATIONS; rotation += 1) {
    await until(async () => (await small.end()) - small.liveStart > partBytes, {
      what: 'enough bytes for a part',
    });
    await raiseLimit();
    await small.rotate();
  }
  await writeFile(limitFile, 'end');
  expect(await exited).toEqual([0, null]);
  const count = Number(await output);
  await small.rotate();
  expect((await partsOf(small)).length).toBeGreaterThanOrEqual(ROTATIONS);
  expect((await readAll(small)) === numbered(0, count)).toBe(true);
  expect(await bytesOnDisk(small)).toBeLessThan(256 * KIB);

  // The next daemon reads the same, at the same positions.
  const next = new LogFiles(files.live, LIMITS);
  expect(await next.end()).toBe(await small.end());
  expect((await readAll(next)) === numbered(0, count)).toBe(true);
});

it('a rotation ends although a process writes as fast as it rotates', async () => {
  const files = await newFiles({ maxBytes: 64 * KIB, retentionMs: 60_000 });
  const lines = 1_000;
  let written = 0;
  const write = async () => {
    await appendFile(files.live, numbered(written, lines));
    written += lines;
  };
  for (let part = 0; part < 5; part += 1) await write();
  const over = new AbortController();
  onTestFinished(() => over.abort());
  const writing = (async () => {
    while (!over.signal.aborted) {
      const before = files.liveStart;
      await write();
      while (files.liveStart === before && !over.signal.aborted) await new Promise(setImmediate);
    }
  })();
  await files.rotate();
  over.abort();
  await writing;
  expect(files.liveStart).toBeGreaterThan(0);
  expect((await readAll(files)) === numbered(0, written)).toBe(true);
});

it('prepare starts a new live file, and positions continue', async () => {
  const files = await newFiles();
  await writeFile(files.live, numbered(0, 10_000));
  await files.rotate();
  await appendFile(files.live, 'unfinished');
  const end = await files.end();
  await files.prepare();
  await expect(stat(files.live)).rejects.toThrow(/ENOENT/);
  expect(await files.end()).toBe(end);
  await appendFile(files.live, 'next run\n');
  expect(await readAll(files)).toBe(`${numbered(0, 10_000)}unfinishednext run\n`);
  const again = new LogFiles(files.live, LIMITS);
  expect(await readAll(again)).toBe(`${numbered(0, 10_000)}unfinishednext run\n`);
  // A small file is kept.
  await again.prepare();
  expect((await stat(files.live)).size).toBe('next run\n'.length);
});

it('a concurrent reader gets every byte once, in order, during rotations and new files', async () => {
  const files = await newFiles({ maxBytes: 64 * KIB, retentionMs: 60_000 });
  const rounds = 90;
  const lines = 500;
  const chunks: Buffer[] = [];
  let position = 0;
  const written = new AbortController();
  const reader = async () => {
    while (!written.signal.aborted || position < (await files.end())) {
      const end = await files.end();
      if (end < position) throw new Error(`${position} was read, and it ends at ${end}`);
      const read = await files.read(position, 3 * KIB);
      chunks.push(read.bytes);
      position = read.position + read.bytes.length;
    }
  };
  const reading = reader();
  for (let round = 0; round < rounds; round += 1) {
    await appendFile(files.live, numbered(round * lines, lines));
    if (round % 3 === 2) await files.prepare();
    else await files.rotate();
  }
  written.abort();
  await reading;
  expect(Buffer.concat(chunks).toString()).toBe(numbered(0, rounds * lines));
});

it('recovers from a daemon that ended during a rotation', async () => {
  const files = await newFiles();
  const text = numbered(0, 10_000);
  await writeFile(files.live, text);
  const backup = `${files.live}.backup`;
  await copyFile(files.live, backup);
  await files.rotate();

  // The part exists, but its space in the live file is not freed.
  await copyFile(backup, files.live);
  await rm(backup);
  const beforeFreeing = new LogFiles(files.live, LIMITS);
  expect((await readAll(beforeFreeing)) === text).toBe(true);
  expect(await bytesOnDisk(beforeFreeing)).toBeLessThan(text.length);

  // An incomplete copy.
  const copy = join(files.live.replace(/\.log$/, '.old'), 'a.log.copying');
  await writeFile(copy, 'half a cop');
  expect((await readAll(new LogFiles(files.live, LIMITS))) === text).toBe(true);
  await expect(stat(copy)).rejects.toThrow(/ENOENT/);

  // The live file was removed for a new one, which is not recorded.
  const all = new LogFiles(files.live, LIMITS);
  await all.prepare();
  const [last] = (await partsOf(all)).slice(-1);
  const directory = files.live.replace(/\.log$/, '.old');
  await copyFile(join(directory, last ?? ''), join(directory, (last ?? '').replace('.log', '-123456.log')));
  await rm(join(directory, last ?? ''));
  const unrecorded = new LogFiles(files.live, LIMITS);
  expect(await unrecorded.end()).toBe(text.length);
  await writeFile(files.live, 'x'.repeat(200_000));
  expect((await readAll(new LogFiles(files.live, LIMITS))) === text + 'x'.repeat(200_000)).toBe(true);
});

it('removes the oldest parts of a log that is too large, and all expired parts', async () => {
  const files = await newFiles();
  for (let round = 0; round < 10; round += 1) {
    await appendFile(files.live, numbered(round * 5_000, 5_000));
    await files.rotate();
    await files.removeExpired(new Date());
  }
  const text = await readAll(files);
  expect(text.length).toBeLessThanOrEqual(LIMITS.maxBytes);
  expect(text.length).toBeGreaterThan(LIMITS.maxBytes / 2);
  expect(numbered(0, 50_000).endsWith(text)).toBe(true);

  const live = await readFile(files.live);
  await files.removeExpired(new Date(Date.now() + DAY_MS));
  const end = await files.end();
  expect(live.subarray(-(await readAll(files)).length).toString()).toBe(await readAll(files));
  expect((await readAll(files)).length).toBeLessThan(64 * KIB);
  // The next daemon has the same positions.
  const again = new LogFiles(files.live, LIMITS);
  expect([await again.end(), await readAll(again)]).toEqual([end, await readAll(files)]);
});

it('removes an expired part and keeps a recent one', async () => {
  const files = await newFiles();
  await appendFile(files.live, numbered(0, 8_000));
  await files.rotate();
  const [first = '', ...others] = await partsOf(files);
  const old = new Date(Date.now() - 2 * LIMITS.retentionMs);
  await utimes(join(files.live.replace(/\.log$/, '.old'), first), old, old);
  await files.removeExpired(new Date());
  expect(await partsOf(files)).toEqual(others);
});
