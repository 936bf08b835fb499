import { appendFile, readFile, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { scratch } from '../../../test/helpers/scratch.ts';
import { until } from '../../../test/helpers/until.ts';
import { systemClock } from '../../base/time/clock.ts';
import { InstanceLog } from './instance-log.ts';

const MIB = 1024 * 1024;
const LIMITS = { maxBytes: 4 * MIB, retentionMs: 86_400_000 };

async function newLog(content = ''): Promise<InstanceLog> {
  const log = new InstanceLog(join(await scratch(), 'instances', 'a.log'), systemClock, LIMITS);
  await log.prepare();
  await writeFile(log.path, content);
  return log;
}

/** Follows the log until the test ends. */
function follow(log: InstanceLog, from = 0, ready?: () => Promise<void>): string[] {
  const lines: string[] = [];
  const ended = new AbortController();
  const following = log.follow(from, ({ text }) => lines.push(text), ended.signal, ready);
  onTestFinished(async () => {
    ended.abort();
    await following;
  });
  return lines;
}

const run = (pid: number) => ({ pid, started_at: '', run: 1, last_exit: null });
const numbered = (first: number, count: number) =>
  Array.from({ length: count }, (_, index) => `line ${first + index} äöü €`);

describe('the tail of a log', () => {
  it('has the last lines, oldest first, including an incomplete one', async () => {
    const log = await newLog('one\ntwo\nthree\nfou');
    expect(await log.tail(2)).toEqual(['three', 'fou']);
    expect(await log.tail(10)).toEqual(['one', 'two', 'three', 'fou']);
  });

  it('begins at a position, or at the start when the file was emptied after it', async () => {
    const log = await newLog('earlier run\nthis run\n');
    expect(await log.tail(10, 'earlier run\n'.length)).toEqual(['this run']);
    expect(await log.tail(10, 9999)).toEqual(['earlier run', 'this run']);
  });

  it('is empty for a missing or empty log', async () => {
    const log = await newLog();
    expect(await log.tail(5)).toEqual([]);
    const absent = new InstanceLog(join(await scratch(), 'absent.log'), systemClock, LIMITS);
    expect([await absent.end(), await absent.tail(5)]).toEqual([0, []]);
  });

  it('has the runs by their first line, except runs without output', async () => {
    const log = await newLog('one ä\n\nthree\nfour\nfiv');
    const starts = {
      first: 0,
      empty: Buffer.byteLength('one ä\n'),
      four: Buffer.byteLength('one ä\n\nthree\n'),
    };
    await log.recordRun(starts.first, run(1));
    await log.recordRun(starts.empty, run(2));
    await log.recordRun(starts.four, run(3));
    await log.recordRun(starts.four, run(4));
    await log.recordRun(await log.end(), run(5));
    const pids = async (count: number) =>
      [...(await log.tailWithEnd(count)).runs]
        .map(([index, { pid }]) => [index, pid])
        .toSorted(([a = 0], [b = 0]) => a - b);
    expect(await pids(10)).toEqual([
      [0, 1],
      [1, 2],
      [3, 4],
    ]);
    expect(await pids(2)).toEqual([[1, 4]]);
  });

  it('has the runs of an earlier daemon, without numbers', async () => {
    const log = await newLog('one\ntwo\n');
    await log.recordRun(0, run(1));
    await log.recordRun(4, run(2));
    // As after a daemon that was killed during a write.
    await appendFile(log.path.replace(/\.log$/, '.runs'), '[8,{"pid":');
    const next = new InstanceLog(log.path, systemClock, LIMITS);
    const runs = async () =>
      [...(await next.tailWithEnd(10)).runs.values()]
        .map(({ pid, run: number }) => [pid, number])
        .toReversed();
    expect(await runs()).toEqual([
      [1, null],
      [2, null],
    ]);

    await truncate(log.path, 0);
    const start = await next.prepare();
    await appendFile(log.path, 'three\nfour\n');
    await next.recordRun(start, run(3));
    expect([start, await runs()]).toEqual([0, [[3, 1]]]);
  });

  it('keeps the last 50 runs in their file', async () => {
    const log = await newLog();
    for (let position = 0; position < 150; position += 1) await log.recordRun(position, run(position));
    const next = new InstanceLog(log.path, systemClock, LIMITS);
    await next.tailWithEnd(1);
    const kept = await readFile(log.path.replace(/\.log$/, '.runs'), 'utf8');
    const pids = kept.split('\n').flatMap((line) => /"pid":(\d+)/.exec(line)?.[1] ?? []);
    expect(pids).toEqual(Array.from({ length: 50 }, (_, index) => String(100 + index)));
  });

  it('of a long file begins with a complete line', async () => {
    const all = numbered(0, 30_000);
    const log = await newLog(`${all.join('\n')}\n`);
    const tail = await log.tail(100_000);
    expect(tail.length).toBeGreaterThan(1_000);
    expect(tail).toEqual(all.slice(-tail.length));
  });

  it('has the position after its last line, also before invalid UTF-8', async () => {
    const log = await newLog();
    await writeFile(log.path, Buffer.from([...Buffer.from('good\n'), 0xff, 0xc3]));
    const { lines, end } = await log.tailWithEnd(10);
    expect([lines, end]).toEqual([['good'], 5]);
  });
});

describe('following a log', () => {
  it('reports each line when it is complete', async () => {
    const log = await newLog('before\n');
    const lines = follow(log, await log.end());
    await appendFile(log.path, 'hal');
    await appendFile(log.path, 'f a line\nnext\n\nunfin');
    await until(() => lines.length === 3, { what: 'three lines' });
    expect(lines).toEqual(['half a line', 'next', '']);
    await appendFile(log.path, 'ished\n');
    await until(() => lines.length === 4, { what: 'the rest of a line' });
    expect(lines.at(-1)).toBe('unfinished');
  });

  it('reports all of a burst of 50,000 lines, with characters that span two reads', async () => {
    const log = await newLog();
    const lines = follow(log);
    const burst = numbered(0, 50_000);
    for (let index = 0; index < burst.length; index += 5_000) {
      await appendFile(log.path, `${burst.slice(index, index + 5_000).join('\n')}\n`);
    }
    await until(() => lines.length >= burst.length, { what: () => `50,000 lines, got ${lines.length}` });
    expect(lines).toEqual(burst);
  });

  it('continues after a rotation, after a new file, and after one that was emptied by hand', async () => {
    const log = await newLog('1\n');
    const lines = follow(log);
    await until(() => lines.length === 1, { what: 'the first line' });
    const filler = 'x'.repeat(MIB);
    await appendFile(log.path, `2\n${filler}\n3\n`);
    await log.tidy();
    await appendFile(log.path, '4\n');
    await log.prepare();
    await appendFile(log.path, `${'x'.repeat(100)}\n5\n`);
    await until(() => lines.includes('5'), { what: 'all lines' });
    expect(lines.filter((line) => line.length === 1)).toEqual(['1', '2', '3', '4', '5']);
    await truncate(log.path, 0);
    await appendFile(log.path, 'after\n');
    await until(() => lines.at(-1) === 'after', { what: 'the line after that' });
  });

  it('reads no further while the reader is not ready', async () => {
    const log = await newLog(`${numbered(0, 20_000).join('\n')}\n`);
    const gate = Promise.withResolvers<void>();
    let asked = 0;
    const lines = follow(log, 0, () => {
      asked += 1;
      return asked > 1 ? gate.promise : Promise.resolve();
    });
    await until(() => asked > 1, { what: 'the second call of ready' });
    const first = lines.length;
    expect(first).toBeGreaterThan(0);
    expect(first).toBeLessThan(5_000);
    gate.resolve();
    await until(() => lines.length >= 20_000, { what: 'the rest' });
  });

  it('reports a line without an end in parts', async () => {
    const log = await newLog('x'.repeat(MIB));
    const lines = follow(log);
    await until(() => lines.join('').length === MIB, { what: 'all of it' });
    expect(lines.length).toBeGreaterThan(4);
  });
});
