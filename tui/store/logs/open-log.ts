import type { Instance, LastExit } from '../../../shared/api/instances.ts';
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

/** The logs of one or several instances, merged into one. */
export interface OpenLog {
  names: readonly string[];
  buffer: LogBuffer;
  /** Names of the instances whose snapshot has not arrived. */
  waiting: ReadonlySet<string>;
  /** By name of the instance: why its log cannot be read. */
  refusals: Readonly<Record<string, string>>;
}

/** Opens the logs of `names`. Keeps lines of these instances that are already loaded. */
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

/** Adds the snapshot of one log. After a reconnection, only the new lines of the snapshot are added. */
export function withSnapshot(
  log: OpenLog | null,
  name: string,
  snapshot: readonly LogLine[],
): OpenLog | null {
  if (log?.names.includes(name) !== true) return log;
  const mine = log.buffer.lines.filter((line) => line.name === name);
  const known = mine.filter(({ run }) => run !== true).slice(-OVERLAP);
  const end = known.length === 0 ? -1 : lastOfKnown(known, snapshot);
  // The snapshot does not overlap: lines between it and the buffer are missing, so a single log starts again.
  const hasGap = end === -1 && known.length > 0 && log.names.length === 1;
  const before = hasGap ? { first: endOf(log.buffer), lines: [] } : log.buffer;
  const texts = new Set(mine.map(({ text }) => text));
  const entries = snapshot.slice(end + 1).flatMap((line): LogEntry[] => {
    const { run, ...printed } = line;
    const entry = entryOf(name, printed);
    // The start of a run gets the time of its first line, so that it stays before it.
    const start = run === undefined ? null : { ...runEntry(name, run), at: line.at };
    return start === null || texts.has(start.text) ? [entry] : [start, entry];
  });
  const buffer = mergeLines(before, entries);
  return { ...log, buffer, waiting: without(log.waiting, name) };
}

/** Maximum number of lines that are compared to find where a snapshot continues the buffer. */
const OVERLAP = 8;

/** Index in the snapshot of the last known line, or -1. Lines are compared by text, because times may differ. */
function lastOfKnown(tail: readonly LogEntry[], snapshot: readonly LogLine[]): number {
  return snapshot.findLastIndex((_, last) => {
    // Lines before the snapshot cannot be compared.
    const known = tail.slice(-(last + 1));
    return known.every((line, index) => snapshot[last + 1 - known.length + index]?.text === line.text);
  });
}

function without(names: ReadonlySet<string>, name: string): ReadonlySet<string> {
  return new Set([...names].filter((one) => one !== name));
}

/**
 * Inserts the start of the current run into older lines, if the daemon did not report it because an earlier daemon
 * started the run. Inserts nothing if no lines of an earlier run are loaded.
 */
export function withCurrentRun(log: OpenLog | null, instance: Instance | undefined): OpenLog | null {
  if (log === null || instance === undefined) return log;
  const run = runStart({ ...instance, pid: null }, instance, 0);
  const { lines } = log.buffer;
  // Possibly inserted with a number, while the daemon that started the run was connected.
  const isKnown = lines.some(
    (line) =>
      line.run === true && line.name === run?.name && line.text.includes(` starts · pid ${instance.pid} · `),
  );
  if (run === null || isKnown || lines.length >= MAX_LOG_LINES) return log;
  const index = firstLineOf(run, lines);
  if (index === -1) return log;
  return { ...log, buffer: { ...log.buffer, lines: lines.toSpliced(index, 0, run) } };
}

/** Index of the first line of a run; -1 if unknown or if no line is before it. PocketBase's timestamps have whole seconds. */
function firstLineOf({ name, at }: LogEntry, lines: readonly LogEntry[]): number {
  const second = Math.floor(Date.parse(at) / 1000) * 1000;
  const index = lines.findIndex((line) => line.name === name && Date.parse(line.at) >= second);
  if (lines.slice(0, Math.max(0, index)).some((line) => line.name === name)) return index;
  // All lines are of the same second: use the last message of PocketBase that it started.
  const started = lines.findLastIndex(
    (line) => line.name === name && line.text.includes('Server started at'),
  );
  const soon = Date.parse(lines[started]?.at ?? '') < second + 2_000;
  return index !== -1 && started > index && soon ? started : -1;
}

/** The entry for the start of a run; null if no run started. */
export function runStart(before: Instance | undefined, after: Instance, now: number): LogEntry | null {
  const { name, run, pid, started_at, last_exit } = after;
  if (pid === null || before === undefined || pid === before.pid) return null;
  const at = started_at ?? new Date(now).toISOString();
  return runEntry(name, { pid, run, started_at: at, last_exit });
}

/** The line for the start of a run: its number, its process, and the end of the previous run. */
function runEntry(name: string, { run, pid, started_at: at, last_exit: exit }: LogRun): LogEntry {
  const previous = exit === null ? null : previousRunText(exit);
  const parts =
    run === null
      ? ['run starts', `pid ${pid}`, 'started by an earlier daemon', previous]
      : [`run ${run} starts`, `pid ${pid}`, previous ?? 'first run since the daemon started'];
  return {
    name,
    at,
    text: parts.filter((part) => part !== null).join(' · '),
    level: 'info',
    run: true,
  };
}

function previousRunText({ ended_by, signal, code }: LastExit): string {
  if (ended_by === 'request') return 'previous run stopped on request';
  if (ended_by === 'fathomd') return 'previous run ended by fathomd';
  return `previous run ended with ${signal ?? `exit ${code ?? '?'}`}`;
}
