import { readdir, readFile } from 'node:fs/promises';
import type { ProcessReading } from './samples.ts';

export async function readProcess(): Promise<ProcessReading> {
  const { user, system } = process.cpuUsage();
  const { rss, heapUsed } = process.memoryUsage();
  const [files, limits] = await Promise.all([
    readdir('/proc/self/fd'),
    readFile('/proc/self/limits', 'utf8'),
  ]);
  return {
    cpuSeconds: (user + system) / 1e6,
    residentBytes: rss,
    heapUsedBytes: heapUsed,
    startedAtSeconds: Math.round(performance.timeOrigin / 1000),
    openFiles: files.length,
    maxFiles: openFilesLimit(limits),
  };
}

/** Reads the limit of open files from the text of `/proc/<pid>/limits`; Infinity without a limit. */
export function openFilesLimit(limits: string): number {
  const limit = /^Max open files\s+(\d+)/m.exec(limits)?.[1];
  return limit === undefined ? Number.POSITIVE_INFINITY : Number(limit);
}
