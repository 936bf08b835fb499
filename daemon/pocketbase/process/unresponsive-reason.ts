import { readdir, readFile } from 'node:fs/promises';
import type { PhaseReason } from '../../../shared/api/instances.ts';
import { processStat } from './procfs.ts';

/** Why a process does not respond, from its state in /proc; null when that shows no reason. */
export async function unresponsiveReason(pid: number): Promise<PhaseReason | null> {
  const state = processStat(pid)?.state;
  if (state === 'T' || state === 't') {
    const stopped = state === 'T' ? 'stopped (SIGSTOP)' : 'stopped by a debugger';
    return {
      code: 'unresponsive',
      message: `the process is ${stopped}; continue it with 'kill -CONT ${pid}'`,
    };
  }
  if (state === 'D') {
    return { code: 'unresponsive', message: "the process is waiting for the disk; see 'dmesg'" };
  }
  const files = await openFileCount(pid);
  if (files && files.open >= files.limit) {
    return {
      code: 'out_of_files',
      message: `the process has ${files.open} of ${files.limit} allowed files open; raise LimitNOFILE of the daemon, which sets this limit`,
    };
  }
  return null;
}

async function openFileCount(pid: number): Promise<{ open: number; limit: number } | null> {
  try {
    const [descriptors, limits] = await Promise.all([
      readdir(`/proc/${pid}/fd`),
      readFile(`/proc/${pid}/limits`, 'utf8'),
    ]);
    const limit = /^Max open files\s+(\d+)/m.exec(limits)?.[1];
    return limit === undefined ? null : { open: descriptors.length, limit: Number(limit) };
  } catch {
    return null;
  }
}
