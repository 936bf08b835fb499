import { readdir, readFile } from 'node:fs/promises';
import type { PhaseReason } from '../../../shared/instance.ts';
import { processStat } from './procfs.ts';

/** Why a process does not answer, as far as the kernel knows; null when it does not. */
export async function whySilent(pid: number): Promise<PhaseReason | null> {
  const state = processStat(pid)?.state;
  if (state === 'T' || state === 't') {
    const stopped = state === 'T' ? 'stopped (SIGSTOP)' : 'held by a debugger';
    return { code: 'unresponsive', message: `the process is ${stopped}; 'kill -CONT ${pid}' lets it go on` };
  }
  if (state === 'D') {
    return { code: 'unresponsive', message: "the process waits for the disk; see 'dmesg'" };
  }
  const files = await openFileCount(pid);
  if (files && files.open >= files.limit) {
    return {
      code: 'out_of_files',
      message: `it has ${files.open} of ${files.limit} allowed files open; raise LimitNOFILE of the daemon, from which it has this`,
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
