import { readFile } from 'node:fs/promises';
import type { Sandbox } from '../../../shared/api/instances.ts';
import { SANDBOX_LEVELS } from '../../../shared/sandbox.ts';
import { SANDBOX_VARIABLE } from './launcher.ts';

const FILTERED = 2;

/** The sandbox of a running process that another daemon started. */
export async function sandboxOfProcess(process: {
  pid: number;
  environment: ReadonlyMap<string, string>;
}): Promise<Sandbox> {
  const status = await readFile(`/proc/${process.pid}/status`, 'utf8').catch(() => '');
  return readSandbox(status, process.environment.get(SANDBOX_VARIABLE));
}

/**
 * @param status the text of `/proc/<pid>/status`
 * @param stored the level in the environment of the process
 */
export function readSandbox(status: string, stored: string | undefined): Sandbox {
  const value = (name: string) => Number(new RegExp(`^${name}:\\s*(\\d+)`, 'm').exec(status)?.[1]);
  const level = SANDBOX_LEVELS.find((known) => known === stored) ?? 'none';
  const isFiltered = value('NoNewPrivs') === 1 && value('Seccomp') === FILTERED;
  if (level === 'none' || !isFiltered) {
    return { level: 'none', reason: 'it was started without a sandbox; restart it' };
  }
  return level === 'full'
    ? { level, reason: null }
    : { level, reason: `it was started with the level ${level}` };
}
