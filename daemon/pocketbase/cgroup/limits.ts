const MIB = 1024 * 1024;

/** Threads and processes of one instance. PocketBase uses about a dozen, and some hundreds under a heavy load. */
const MAX_TASKS = 1024;
/**
 * The kernel counts more than the daemon does: caches of files, buffers of connections and its own memory. So it slows an
 * instance down above its limit, and ends it far above. Before that, the daemon ends it in order.
 */
const SLOW_ABOVE = { part: 1.25, leastBytes: 32 * MIB };
const END_ABOVE = { part: 1.5, leastBytes: 64 * MIB };

/** A file of a cgroup and its value. */
export interface CgroupValue {
  file: string;
  value: string;
  /** Not every kernel has this file. */
  isOptional?: true;
}

/** @param limitBytes null without a limit */
export function memoryValues(limitBytes: number | null): CgroupValue[] {
  const above = ({ part, leastBytes }: typeof SLOW_ABOVE) =>
    limitBytes === null ? 'max' : String(Math.ceil(Math.max(limitBytes * part, limitBytes + leastBytes)));
  return [
    { file: 'memory.high', value: above(SLOW_ABOVE) },
    { file: 'memory.max', value: above(END_ABOVE) },
    // With swap, the memory that the daemon counts would not grow.
    { file: 'memory.swap.max', value: limitBytes === null ? 'max' : String(limitBytes), isOptional: true },
    { file: 'memory.oom.group', value: '1' },
  ];
}

export function taskValues(): CgroupValue[] {
  return [{ file: 'pids.max', value: String(MAX_TASKS) }];
}

/** Events of a memory limit. */
export interface MemoryEvents {
  /** Allocations that failed because of the limit. */
  failures: number;
  /** Processes that the kernel ended, also because the host had no memory left. */
  kills: number;
}

/** @param text of `memory.events` */
export function parseMemoryEvents(text: string): MemoryEvents {
  const value = (name: string) => Number(new RegExp(`^${name} (\\d+)$`, 'm').exec(text)?.[1] ?? 0);
  return { failures: value('oom'), kills: value('oom_kill') };
}

/** Whether the kernel ended a process between two readings because of the limit. */
export function wasEndedByLimit(before: MemoryEvents, after: MemoryEvents): boolean {
  return after.kills > before.kills && after.failures > before.failures;
}
