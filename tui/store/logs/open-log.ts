import type { Instance } from '../../../shared/api/instances.ts';
import type { LogLine, LogRun } from '../../../shared/events.ts';
import {
  EMPTY_LOG,
  endOf,
  type LogBuffer,
  type LogEntry,
  levelOf,
  MAX_LOG_LINES,
  mergeLines,
} from './log-buffer.ts';

/** The logs of one or several instances, read as one. */
export interface OpenLog {
  names: readonly string[];
  buffer: LogBuffer;
  /** Whose end has not come yet. */
  waiting: ReadonlySet<string>;
  /** By instance, why its log cannot be read. */
  refusals: Readonly<Record<string, string>>;
}

/** What is read already, and is wanted still, stays. */
export function openLog(before: OpenLog | null, names: readonly string[]): OpenLog {
  const kept = before?.buffer ?? EMPTY_LOG;
  const wanted = new Set(names);
  const lines = kept.lines.filter(({ name }) => wanted.has(name));
  return {
    names,
    buffer: lines.length === 0 ? EMPTY_LOG : { first: endOf(kept) - lines.length, lines },
    waiting: new Set(
      names.filter((name) => before === null || !before.names.includes(name) || before.waiting.has(name)),
    ),
    refusals: {},
  };
}

export function withLogLines(log: OpenLog | null, lines: readonly LogEntry[]): OpenLog | null {
  const wanted = lines.filter(({ name }) => log?.names.includes(name));
  return log === null || wanted.length === 0 ? log : { ...log, buffer: mergeLines(log.buffer, wanted) };
}

export function entryOf(name: string, line: Omit<LogLine, 'run'>): LogEntry {
  return { ...line, name, level: levelOf(line.text) };
}

export function withRefusal(log: OpenLog | null, name: string, message: string): OpenLog | null {
  if (log?.names.includes(name) !== true) return log;
  return { ...log, waiting: without(log.waiting, name), refusals: { ...log.refusals, [name]: message } };
}

/** The end of one of them; after a reconnection it goes on from what is here. */
export function withSnapshot(
  log: OpenLog | null,
  name: string,
  snapshot: readonly LogLine[],
): OpenLog | null {
  if (log?.names.includes(name) !== true) return log;
  const mine = log.buffer.lines.filter((line) => line.name === name);
  const known = mine.filter(({ run }) => run !== true).slice(-OVERLAP);
  const end = known.length === 0 ? -1 : lastOfKnown(known, snapshot);
  // Nothing of it is known: of a log that is read alone, there is a gap before.
  const broken = end === -1 && known.length > 0 && log.names.length === 1;
  const before = broken ? { first: endOf(log.buffer), lines: [] } : log.buffer;
  const told = new Set(mine.map(({ text }) => text));
  const entries = snapshot.slice(end + 1).flatMap((line): LogEntry[] => {
    const { run, ...printed } = line;
    const entry = entryOf(name, printed);
    // With the time of its first line, before which it stands.
    const begun = run === undefined ? null : { ...runEntry(name, run), at: line.at };
    return begun === null || told.has(begun.text) ? [entry] : [begun, entry];
  });
  const buffer = mergeLines(before, entries);
  return { ...log, buffer, waiting: without(log.waiting, name) };
}

/** Lines that must agree, at most, before a snapshot is taken for the continuation of what is here. */
const OVERLAP = 8;

/** Index in the snapshot of the last line that is here already, or -1. Compared by text: times are of the reading. */
function lastOfKnown(tail: readonly LogEntry[], snapshot: readonly LogLine[]): number {
  return snapshot.findLastIndex((_, last) => {
    // What lies before the snapshot cannot be compared with it.
    const known = tail.slice(-(last + 1));
    return known.every((line, index) => snapshot[last + 1 - known.length + index]?.text === line.text);
  });
}

function without(names: ReadonlySet<string>, name: string): ReadonlySet<string> {
  return new Set([...names].filter((one) => one !== name));
}

/**
 * Where the present run begins among lines that were printed before anybody watched, when an earlier daemon started it, so that
 * this one does not know; nothing when it is the first one.
 */
export function withPresentRun(log: OpenLog | null, instance: Instance | undefined): OpenLog | null {
  if (log === null || instance === undefined) return log;
  const run = runBegun({ ...instance, pid: null }, instance, 0);
  const { lines } = log.buffer;
  // Told already, maybe while the daemon that started it was there, with its number.
  const told = lines.some(
    (line) =>
      line.run === true && line.name === run?.name && line.text.includes(` begins · pid ${instance.pid} · `),
  );
  if (run === null || told || lines.length >= MAX_LOG_LINES) return log;
  const index = beginningOf(run, lines);
  if (index === -1) return log;
  return { ...log, buffer: { ...log.buffer, lines: lines.toSpliced(index, 0, run) } };
}

/** Index of its first line; -1 when that is not known, or there is none before. PocketBase stamps whole seconds on its lines. */
function beginningOf({ name, at }: LogEntry, lines: readonly LogEntry[]): number {
  const second = Math.floor(Date.parse(at) / 1000) * 1000;
  const index = lines.findIndex((line) => line.name === name && Date.parse(line.at) >= second);
  if (lines.slice(0, Math.max(0, index)).some((line) => line.name === name)) return index;
  // All within one second: then where it last said that it had started.
  const started = lines.findLastIndex(
    (line) => line.name === name && line.text.includes('Server started at'),
  );
  const soon = Date.parse(lines[started]?.at ?? '') < second + 2_000;
  return index !== -1 && started > index && soon ? started : -1;
}

/** Where a run of an instance begins, when it does. */
export function runBegun(before: Instance | undefined, after: Instance, now: number): LogEntry | null {
  const { name, run, pid, started_at, last_exit } = after;
  if (pid === null || before === undefined || pid === before.pid) return null;
  const at = started_at ?? new Date(now).toISOString();
  return runEntry(name, { pid, run, started_at: at, last_exit });
}

/** Told among its lines: which run, its process, and what ended the one before; those of an earlier daemon have no number any more. */
function runEntry(name: string, { run, pid, started_at: at, last_exit: exit }: LogRun): LogEntry {
  const why =
    exit === null
      ? null
      : exit.ended_by === 'request'
        ? 'after a stop that was asked for'
        : `the one before ${exit.ended_by === 'fathomd' ? 'was ended by fathomd' : `ended with ${exit.signal ?? `exit ${exit.code ?? '?'}`}`}`;
  const words =
    run === null
      ? ['a run begins', `pid ${pid}`, 'started by an earlier daemon', why]
      : [`run ${run} begins`, `pid ${pid}`, why ?? 'the first since the daemon started'];
  return {
    name,
    at,
    text: words.filter((word) => word !== null).join(' · '),
    level: 'info',
    run: true,
  };
}
