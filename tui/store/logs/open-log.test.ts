import { describe, expect, it } from 'vitest';
import { instance } from '../../../test/console/fleet-fixtures.ts';
import { textWith } from '../../../test/helpers/text-with.ts';
import { MAX_LOG_LINES, shownLines } from './log-buffer.ts';
import { entryOf, openLog, runStart, withCurrentRun, withLogLines, withSnapshot } from './open-log.ts';

function at(second: number): string {
  return new Date(Date.UTC(2026, 10, 21, 12, 0, second)).toISOString();
}

function texts(log: ReturnType<typeof openLog> | null): string[] | undefined {
  return log?.buffer.lines.map(({ name, text }) => `${name} ${text}`);
}

describe('the logs of several instances', () => {
  const both = openLog(null, ['a', 'b']);

  it('are merged by time, and lines of one instance keep their order', () => {
    let log = withSnapshot(both, 'a', [
      { at: at(1), text: 'one' },
      { at: at(5), text: 'five' },
      { at: at(5), text: 'five again' },
    ]);
    log = withSnapshot(log, 'b', [{ at: at(3), text: 'three' }]);
    log = withLogLines(log, [
      entryOf('a', { at: at(9), text: 'nine' }),
      entryOf('b', { at: at(7), text: 'seven' }),
      entryOf('c', { at: at(8), text: 'of another' }),
    ]);
    expect(texts(log)).toEqual(['a one', 'b three', 'a five', 'a five again', 'b seven', 'a nine']);
    expect(log?.waiting.size).toBe(0);
  });

  it('continue after a reconnection without repeating a line', () => {
    let log = withSnapshot(both, 'a', [{ at: at(1), text: 'one' }]);
    log = withSnapshot(log, 'b', [{ at: at(2), text: 'two' }]);
    log = withSnapshot(log, 'a', [
      { at: at(1), text: 'one' },
      { at: at(3), text: 'three' },
    ]);
    expect(texts(log)).toEqual(['a one', 'b two', 'a three']);
  });

  it('keep the lines of instances that stay open, up to the limit', () => {
    const many = Array.from({ length: MAX_LOG_LINES + 10 }, (_, n) => ({ at: at(n), text: `${n}` }));
    const full = withSnapshot(withSnapshot(both, 'a', many), 'b', [{ at: at(99_999), text: 'last' }]);
    expect(full?.buffer.lines).toHaveLength(MAX_LOG_LINES);
    const one = openLog(full, ['b', 'c']);
    expect(texts(one)).toEqual(['b last']);
    expect(one.waiting).toEqual(new Set(['c']));
  });

  it('show lines of the minimum level, and the start of each run', () => {
    const died = { code: null, signal: 'SIGKILL', at: at(1), uptime_s: 9, ended_by: null };
    const before = instance('a', { pid: 10 });
    const start = runStart(before, { ...before, pid: 11, run: 2, started_at: at(2), last_exit: died }, 0);
    expect(start?.text).toEqual(textWith('run 2', 'pid 11', 'SIGKILL'));
    expect(runStart(before, { ...before, run: 2 }, 0)).toBeNull();
    const log = withLogLines(both, [
      entryOf('a', { at: at(1), text: 'GET /api 200' }),
      entryOf('a', { at: at(1), text: 'WARN slow query' }),
      entryOf('a', { at: at(1), text: 'panic: no memory' }),
      ...(start === null ? [] : [start]),
    ]);
    if (log === null) throw new Error('no log');
    expect(shownLines(log.buffer, 'all')).toEqual([0, 1, 2, 3]);
    expect(shownLines(log.buffer, 'warn')).toEqual([1, 2, 3]);
    expect(shownLines(log.buffer, 'error')).toEqual([2, 3]);
  });
});

describe('the current run', () => {
  const exit = { code: 1, signal: null, at: at(6), uptime_s: 5, ended_by: null };
  const second = instance('a', {
    pid: 12,
    run: 2,
    started_at: new Date(Date.parse(at(6)) + 400).toISOString(),
    last_exit: exit,
  });
  const printed = withSnapshot(openLog(null, ['a', 'b']), 'a', [
    { at: at(1), text: 'Server started' },
    { at: at(3), text: 'panic' },
    // PocketBase's timestamps have whole seconds: this one is before the start of the process.
    { at: at(6), text: 'Server started' },
  ]);

  it('is inserted once after the lines of the previous run', () => {
    const log = withCurrentRun(printed, second);
    const run = textWith('a ', 'run 2', 'pid 12', 'exit 1');
    expect(texts(log)).toEqual(['a Server started', 'a panic', run, 'a Server started']);
    expect(withCurrentRun(log, second)).toBe(log);
  });

  it('has no number if an earlier daemon started it', () => {
    const log = withCurrentRun(printed, { ...second, run: null, last_exit: null });
    expect(texts(log)).toContainEqual(expect.stringMatching(/^a (?!.*run \d).*pid 12/));
    // An entry with a number stays.
    const seen = withCurrentRun(printed, second);
    expect(withCurrentRun(seen, { ...second, run: null, last_exit: null })).toBe(seen);
  });

  it('is found among runs of the same second by the message of PocketBase', () => {
    const started = { at: at(6), text: '2026/11/21 12:00:06 Server started at http://127.0.0.1:9000' };
    const fast = withSnapshot(openLog(null, ['a']), 'a', [started, { at: at(6), text: 'panic' }, started]);
    const starts = withCurrentRun(fast, second)?.buffer.lines.map(({ text }) => text.slice(0, 5));
    expect(starts).toEqual(['2026/', 'panic', 'run 2', '2026/']);
  });

  it('is not inserted if it is the first run or started before the loaded lines', () => {
    expect(withCurrentRun(printed, { ...second, started_at: at(0) })).toBe(printed);
    expect(withCurrentRun(printed, { ...second, started_at: at(9) })).toBe(printed);
    expect(withCurrentRun(printed, { ...second, pid: null })).toBe(printed);
  });
});
